"""The options of the Slurm engine: --engine-option key=value."""

from collections.abc import Mapping
from typing import Any

from prunescope.errors import PrunescopeError

NUMBERS = {"time": 1, "cpus_per_task": 1, "mem_gb": 1, "signal_delay_s": 1, "gpus": 0, "exclusive": 0}
"""Whole numbers, with the least that each may be. time: minutes · gpus: of each stage that can use one · exclusive: 1, a stage
that measures latency has its node to itself; 0, it runs with no other stage of the study · signal_delay_s: time to save in."""
WORDS = (
    "partition", "account", "qos", "constraint", "exclude", "nodelist", "gres", "comment", "wckey", "mail_type", "mail_user",
    "setup",
)  # fmt: skip
"""As sbatch has them; setup is a shell command before the stage, such as `module load cuda`."""
EXECUTORS = ("slurm", "local")
MORE = "sbatch."  # before the name of any other of sbatch's options
TIME = 4 * 60  # minutes; most partitions allow it, and a longer stage goes on in another job


def parsed(options: Mapping[str, str]) -> dict[str, Any]:
    """Options by name with their values as numbers or words; raises PrunescopeError for unknown names and wrong values."""
    known = ("executor", *NUMBERS, *WORDS)
    found: dict[str, Any] = {"executor": "slurm", "time": TIME, "exclusive": 1}
    for key, value in options.items():
        if key not in known and not (key.startswith(MORE) and key != MORE):
            raise PrunescopeError(
                f"--engine-option: found {key}, wanted one of {', '.join(known)}, or {MORE}NAME for others of sbatch"
            )
        if not value or not value.isprintable():
            raise PrunescopeError(f"--engine-option: found {key}={value!r}, wanted a value")
        found[key] = _number(key, value) if key in NUMBERS else value
    if found["executor"] not in EXECUTORS:
        raise PrunescopeError(f"--engine-option: found executor={found['executor']}, wanted one of {', '.join(EXECUTORS)}")
    return found


def parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """What submitit's AutoExecutor takes for them; all but what depends on the job."""
    named = {f"slurm_{name}": options[name] for name in (*WORDS, "signal_delay_s") if name in options and name != "setup"}
    if "setup" in options:
        named["slurm_setup"] = [options["setup"]]
    more = {name.removeprefix(MORE): value for name, value in options.items() if name.startswith(MORE)}
    return named | {"timeout_min": options["time"], "mem_gb": options.get("mem_gb"), "slurm_additional_parameters": more or None}


def _number(key: str, value: str) -> int:
    least = NUMBERS[key]
    if not value.isascii() or not value.isdigit() or int(value) < least or (key == "exclusive" and int(value) > 1):
        wanted = "0 or 1" if key == "exclusive" else f"a whole number, at least {least}" + ", of minutes" * (key == "time")
        raise PrunescopeError(f"--engine-option: found {key}={value}, wanted {wanted}")
    return int(value)
