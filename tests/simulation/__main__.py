"""`python -m tests.simulation`: see `tests.simulation.seeds`."""

import sys

from tests.simulation.seeds import main

sys.exit(main())
