"""A machine whose clock jumps: by CLOCK_JUMP_SECONDS as soon as the file CLOCK_JUMP_FILE exists."""

import os
import time

if "CLOCK_JUMP_FILE" in os.environ:
    _true_time = time.time
    _file, _seconds = os.environ["CLOCK_JUMP_FILE"], float(os.environ["CLOCK_JUMP_SECONDS"])

    def _jumping_time() -> float:
        return _true_time() + (_seconds if os.path.exists(_file) else 0.0)

    time.time = _jumping_time
