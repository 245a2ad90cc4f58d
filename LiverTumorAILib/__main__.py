"""`python -m LiverTumorAILib` is the command line `livertumorai`."""

import sys

from LiverTumorAILib.cli import main

sys.exit(main())
