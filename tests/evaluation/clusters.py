"""Real clusters and databases on this machine, each in a folder of its own and ended with its context."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

POSTGRES = Path("/usr/lib/postgresql/15/bin")


def missing(*programs: str) -> list[str]:
    """Name the programs that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, ready, seconds: float = 180.0, pause: float = 0.5) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


# -- Slurm ------------------------------------------------------------------------------------------------------------

_SLURM_CONF = """\
ClusterName=soak
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser={user}
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={spool}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
# On a machine that is busy daemons answer late; a node that was not heard of is asked again soon.
MessageTimeout={timeout}
SlurmctldTimeout=300
SlurmdTimeout=30
InactiveLimit=0
KillWait=2
MinJobAge=300
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 Port={slurmd_port} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


class Slurm:
    """A running Slurm; `environment` is that in which sbatch speaks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, *command: str) -> None:
        """Start one of its daemons, which writes its output beside its other files."""
        name = Path(command[0]).name
        with (self.folder / f"{name}.out").open("a") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_controller(self) -> None:
        """Start the daemon that takes jobs; it goes on where it was stopped."""
        self.start("/usr/sbin/slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))

    def stop_controller(self) -> None:
        """Stop the daemon that takes jobs; those that run go on."""
        end([self.processes.pop("slurmctld")])


@contextlib.contextmanager
def slurm(folder: Path, cpus: int = 2, timeout: int = 60) -> Iterator[Slurm]:
    """Run munged, slurmctld and slurmd; `timeout`: seconds for which sbatch and others wait for an answer."""
    folder.mkdir(parents=True)
    (folder / "state").mkdir()
    # slurmd puts a socket for each job there; a socket's path ends at 108 characters, and pytest's folders are long.
    spool = Path(tempfile.mkdtemp(prefix="slurmd-"))
    host = socket.gethostname().split(".")[0]
    settings = {"host": host, "folder": folder, "spool": spool, "user": getpass.getuser(), "cpus": cpus}
    settings["timeout"] = timeout
    conf = folder / "slurm.conf"
    conf.write_text(_SLURM_CONF.format(**settings, ctld_port=free_port(), slurmd_port=free_port()))
    running = Slurm(folder)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    try:
        munge_files = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "seed"}
        running.start(
            "/usr/sbin/munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
            *(f"--{option}={folder / name}" for option, name in munge_files.items()),
        )  # fmt: skip
        wait_for("munged", (folder / "munge.socket").exists)
        running.start_controller()
        running.start("/usr/sbin/slurmd", "-D", "-f", str(conf), "-N", host)

        def idle() -> bool:
            told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=running.environment, capture_output=True, text=True)
            return "idle" in told.stdout

        wait_for("an idle node of Slurm", idle)
        yield running
    finally:
        cancel = ["scancel", "--user", getpass.getuser()]
        subprocess.run(cancel, env=running.environment, capture_output=True, check=False)
        time.sleep(0.5)
        end(list(running.processes.values()))
        shutil.rmtree(spool, ignore_errors=True)


def end(processes: list[subprocess.Popen]) -> None:
    for process in reversed(processes):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


class Postgres:
    """A PostgreSQL server with one database; run as the user postgres where we are root, as it refuses root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._prefix:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", folder / "data", "-U", "predictor", "--auth=trust", "--no-sync")
        self.url = f"postgresql://predictor@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._prefix, str(POSTGRES / program), *map(str, arguments)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run PostgreSQL, in a folder of its own: pytest's are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="predictor-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                server.stop()
