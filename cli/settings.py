"""What one run was asked to do: made once from the command line, then handed down."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..interfaces.methods import Methods
from ..nodes.statistics.measures import DEFAULT_MEASURES

if TYPE_CHECKING:
    from ..nodes.statistics.question import Question


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run; `arguments.build_parser` describes each field for users.

    `methods` decide a participant's results; all else is where, how fast, and which comparison.
    Times and memory limits are those of the whole run, not of one participant.
    """

    bids_dir: Path
    output_dir: Path
    levels: tuple[str, ...]
    methods: Methods = field(default_factory=Methods)
    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    bids_filter_file: Path | None = None
    skip_bids_validation: bool = False
    derivatives: Path | None = None
    work_dir: Path | None = None
    nprocs: int = 1
    omp_nthreads: int = 1
    mem_gb: float | None = None
    use_plugin: Path | None = None
    stop_on_first_crash: bool = False
    boilerplate_only: bool = False
    write_graph: bool = False
    clean_workdir: bool = False
    participants_file: Path | None = None
    group_column: str = 'group'
    groups: tuple[str, ...] | None = None
    reference_group: str | None = None
    contrasts: tuple[str, ...] | None = None
    covariates: tuple[str, ...] | None = None
    interactions: tuple[str, ...] = ()
    scores: tuple[str, ...] | None = None
    measures: tuple[str, ...] = DEFAULT_MEASURES
    regions: tuple[str, ...] | None = None
    harmonise: str | None = None
    permutations: int = 5000
    bootstraps: int = 2000
    voxelwise: int = 0
    smoothing: float = 3.0
    verbose: int = 0

    @property
    def scratch(self) -> Path:
        """Working folder: `--work-dir`, or `work` inside the output folder."""
        return self.work_dir or self.output_dir / 'work'

    def question(self) -> Question:
        """What the group level asks."""
        from ..nodes.statistics.question import Question

        shared = {f.name for f in fields(Question)} & {f.name for f in fields(self)}
        return Question(
            seed=self.methods.random_seed, **{name: getattr(self, name) for name in shared}
        )
