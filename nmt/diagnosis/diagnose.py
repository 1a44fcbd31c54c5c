"""Say what goes wrong in a training, from its figures alone."""

from nmt.diagnosis.beforehand import before_training
from nmt.diagnosis.dev_losses import overfitting, unlike_dev_losses
from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.gain import expected_gain
from nmt.diagnosis.learning_rate import learning_rates
from nmt.diagnosis.outputs import alike, copied

# In the order in which they are reported. A stage that finds something ends the diagnosis, because
# later stages would see the consequences of the same fault.
STAGES = (
    (learning_rates,),
    (alike, copied),
    (unlike_dev_losses, overfitting, expected_gain),
)


def diagnose(training: Training) -> tuple[Finding, ...]:
    """Return what stands out in a training so far: warnings, and a note on the expected gain.

    Each kind of finding occurs once at most. Before the first update, there is only what the
    settings and the text show.
    """
    found = list(before_training(training))
    for finders in STAGES:
        later = [each for finder in finders for each in finder(training)]
        known = {each.kind for each in found}
        found += [each for each in later if each.kind not in known]
        if later:
            break
    return tuple(found)
