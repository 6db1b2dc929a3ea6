"""Places in the blocks of numbers by which kernels are called (`lazyop.kernels.turns`)."""

from __future__ import annotations

#: Of a number.
BYTES = 8

#: What a block says of the call: the next part, how many parts there are (none for one thread
#: alone), units, seats, the kernel's address, that of the team's numbers, and its ring.
NEXT, PARTS, UNITS, SEATS, FUNCTION, TEAM, RING = range(7)

#: Where the argument and the result begin, for helpers, and how far apart their rows are, in
#: entries; whether weights are conjugated.
X, X_LD, Y, Y_LD, CONJUGATED = range(7, 12)

#: Scratch memory of the first seat, and bytes from one to the next; weights and stages.
SCRATCH, SCRATCH_STEP, WEIGHTS, STAGES, STAGE_COUNT = range(12, 17)

#: Where the numbers begin that are one kernel's own, and how many there may be.
OWN, OWN_COUNT = 17, 9

#: Numbers of a block.
SIZE = OWN + OWN_COUNT

#: What a team's numbers say: the bell, the open block, and how many helpers are inside.
BELL, BLOCK, INSIDE = range(3)

#: What a helper's numbers say: its seat, and what it saw the bell show last.
SEAT, SEEN = range(2)

#: Numbers that say what a stage of packed weights is.
PACKED_STAGE_WIDTH = 5
