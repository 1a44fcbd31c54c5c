"""Run the program from a checkout: `python cli.py train`, `torchrun cli.py train`."""

from nmt.commands import main

if __name__ == "__main__":
    main()
