"""A real Slurm of one node, in a folder, for as long as a test needs it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scontrol', 'sinfo')
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=2
UnkillableStepTimeout=600
MaxArraySize=11
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
NodeName=localhost NodeHostName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=short Nodes=localhost Default=YES MaxTime=UNLIMITED State=UP
"""


def missing():
    """Why there can be no Slurm here; nothing where there can."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f'{", ".join(lacking)} not installed (apt-get install slurm-wlm munge)'
    return '' if os.geteuid() == 0 else 'the daemons of Slurm need root'


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(('127.0.0.1', 0))
        return [one.getsockname()[1] for one in sockets]


def start_munge(folder):
    """A munged with a key and a socket of its own."""
    key = folder / 'munge.key'
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    return subprocess.Popen([
        'munged', '--foreground', '--force', f'--key-file={key}',
        f'--socket={folder}/munge.socket', f'--pid-file={folder}/munge.pid',
        f'--log-file={folder}/munge.log', f'--seed-file={folder}/munge.seed',
    ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def wait_for(what, seconds=30):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.1)


def asked(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def is_idle():
    return asked('sinfo', '-h', '-o', '%T') == 'idle'


def keep_up():
    """Take the node back that Slurm has set aside, because it was slow to kill or to answer."""
    if asked('sinfo', '-h', '-o', '%T').startswith(('drain', 'down')):
        subprocess.run(['scontrol', 'update', 'NodeName=localhost', 'State=RESUME'])


def what_slurm_says():
    """Queue, node and the ends of the daemons' logs, for who must find out what it waits for."""
    folder = Path(os.environ['SLURM_CONF']).parent
    told = [asked('squeue', '--array'), asked('sinfo', '--list-reasons')]
    for name in ('slurmctld.log', 'slurmd.log'):
        told += [name, *(folder / name).read_text(errors='replace').splitlines()[-30:]]
    return '\n'.join(told)


@contextlib.contextmanager
def slurm_node(*, cpus=2, memory=8000):
    """Start the daemons, name their configuration to the commands of Slurm, and stop them."""
    # sockets of tasks lie below, whose whole path may have 108 characters: pytest's own are long
    with tempfile.TemporaryDirectory(prefix='slurm-') as folder:
        yield from _daemons(Path(folder), cpus, memory)


def _daemons(folder, cpus, memory):
    for name in ('state', 'spool'):
        (folder / name).mkdir()
    configuration = folder / 'slurm.conf'
    configuration.write_text(CONFIGURATION.format(
        folder=folder, host=socket.gethostname(), ports=free_ports(2), cpus=cpus, memory=memory
    ))  # fmt: skip
    before = os.environ.get('SLURM_CONF')
    os.environ['SLURM_CONF'] = str(configuration)
    started = []
    try:
        started.append(start_munge(folder))
        wait_for((folder / 'munge.socket').exists)
        for command in (['slurmctld', '-D', '-i'], ['slurmd', '-D', '-N', 'localhost']):
            started.append(subprocess.Popen(
                [*command, '-f', str(configuration)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ))  # fmt: skip
        wait_for(is_idle)
        yield
    finally:
        subprocess.run(['scancel', '--user=root'], capture_output=True)
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in reversed(started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        os.environ.pop('SLURM_CONF')
        if before is not None:
            os.environ['SLURM_CONF'] = before
