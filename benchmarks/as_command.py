"""Set what the command line sets in the environment; import this before PyTorch."""

from nmt.system.threads import limit_spinning

limit_spinning()
