"""What one run was asked to do: made once from the command line, then handed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..interfaces.methods import Methods
from ..nodes.statistics.question import Question

TOP = 'nigra_wf'
"""Name of the workflow that holds a visit's, and of its working folder."""


@dataclass(frozen=True)
class Cluster:
    """How a run is handed to a scheduler.

    Attributes
    ----------
    schedulers
        Names that were asked for.
    cluster_profile
        The site's file.
    slurm_args, array_size
        As given.
    options
        That the tasks take over from this command line.
    nprocs
        As given; None for all processors of wherever it runs.
    """

    schedulers: tuple[str, ...] = ()
    cluster_profile: Path | None = None
    slurm_args: str = ''
    array_size: int | None = None
    options: tuple[str, ...] = ()
    nprocs: int | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run; `arguments.build_parser` describes each field for users.

    `methods` decide a participant's results, `question` the comparison of groups.
    Processes and memory are those of the whole run, not of one participant.
    """

    bids_dir: Path
    output_dir: Path
    levels: tuple[str, ...]
    methods: Methods = field(default_factory=Methods)
    question: Question = field(default_factory=Question)
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
    dry_run: bool = False
    write_graph: bool = False
    keep_workdir: bool = False
    participants_file: Path | None = None
    exclude_rated: tuple[Path, ...] = ()
    command: str = ''
    analysis_name: str | None = None
    verbose: int = 0
    task_record: Path | None = None
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def submits(self) -> bool:
        """Whether a scheduler is to do it; the methods text alone needs none."""
        asked = self.cluster.schedulers or self.cluster.cluster_profile
        return bool(asked) and not self.boilerplate_only

    @property
    def group_dir(self) -> Path:
        """Where the group level's results go: OUTPUT_DIR, or a folder of their own inside."""
        if not self.analysis_name:
            return self.output_dir
        return self.output_dir / 'analyses' / self.analysis_name

    @property
    def scratch(self) -> Path:
        """Working folder: `--work-dir`, or `work` inside the output folder."""
        return self.work_dir or self.output_dir / 'work'
