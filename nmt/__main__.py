"""`python -m nmt` is the same program as `nmt`."""

from nmt.commands import main

if __name__ == "__main__":
    main()
