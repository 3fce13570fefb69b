"""``python -m consilico``: the command line, as ``consilico`` starts it."""

import sys

from consilico.cli import main

sys.exit(main())
