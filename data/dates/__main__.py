"""Write the corpus of the recipe `dates`: dates as people write them, and as ISO 8601 does.

    python -m data.dates --output data/dates

Each line of train.tsv.gz, dev.tsv and test.tsv has a date, a tab and the same date as
`2017-03-14`. Each day is in one line only, so no day of the dev or the test set is trained on.
"""

import argparse
import gzip
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

SEED = 1
FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)
SIZES = {"train.tsv.gz": 20_000, "dev.tsv": 500, "test.tsv": 1_000}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
# Each can be read in one way only: the day is first with dots, as in German, and the month is
# first with slashes, as in the United States.
FORMS = (
    "{day} {month} {year}",
    "{day} {short} {year}",
    "{nth} {month} {year}",
    "the {nth} of {month}, {year}",
    "{weekday}, {day} {month} {year}",
    "{month} {day}, {year}",
    "{short} {day}, {year}",
    "{weekday}, {month} {nth}, {year}",
    "{day}.{number}.{year}",
    "{number}/{day}/{year}",
)


def ordinal(number: int) -> str:
    """Return "1st", "2nd", "3rd", "4th", "11th"."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def write_date(day: date, form: str) -> str:
    """Write a date in one of the forms; `date.strftime` would depend on the user's language."""
    month = MONTHS[day.month - 1]
    return form.format(
        day=day.day,
        nth=ordinal(day.day),
        weekday=WEEKDAYS[day.weekday()],
        month=month,
        short=month[:3],
        number=day.month,
        year=day.year,
    )


def lines(days: Sequence[int], chance: random.Random) -> str:
    """Return a line for each day, given as an ordinal, in a form that is drawn."""
    dates = map(date.fromordinal, days)
    return "".join(f"{write_date(day, chance.choice(FORMS))}\t{day}\n" for day in dates)


def main() -> None:
    """Write the three files; they are always the same."""
    parser = argparse.ArgumentParser(
        prog="python -m data.dates", description="Write the dates and their ISO 8601 forms."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(SEED)
    days = chance.sample(range(FIRST.toordinal(), LAST.toordinal() + 1), sum(SIZES.values()))
    for name, size in SIZES.items():
        part, days = days[:size], days[size:]
        text = lines(part, chance).encode()
        # The time of writing is left out, so that the bytes depend on the text only.
        (folder / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith("gz") else text)


if __name__ == "__main__":
    main()
