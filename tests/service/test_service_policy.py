"""Every way to run what a policy does not let in, tried on a real service and on real workers: all of them fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import FIRST, Service, running_services, wait_for

from overscan.core.engines import Plan, Step
from overscan.core.jobs import Extend, Job, Labels, OutputSpec, SequenceSource
from overscan.core.rights import Decision, card_digest, load_cards
from overscan.core.rights._lock import lock_digest
from overscan.service.workers import messages
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frames_pb2 import FrameRange
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec, JobState, Use

HERE = Path(__file__).parent
LAST = 1002
TODAY = datetime.now(timezone.utc).date()
STUDIO = 'name = "Acme"\n'


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the engines are installed: two packages, both with a `twin`."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "modelled.py").write_text((HERE / "modelled.py").read_text())
    packages = {
        "modelled": "modelled = modelled:Modelled\nlearned = modelled:Learned\nrenamed = modelled:Disguised\n",
        "other": "",
    }
    for name, entries in packages.items():
        info = folder / f"{name}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[overscan.engines]\n{entries}twin = modelled:Twin\n")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])])


@dataclass
class World:
    """A service, its policies and its models, all of which a test may change while it runs."""

    service: Service
    root: Path
    models: Path
    engines: str
    plate: str
    folder: Path

    # ---- what is there

    def policy(self, place: str, text: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def model(self, name: str, *, card: str = "good", content: bytes = b"the weights") -> Path:
        folder = self.models / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.txt").write_text(card)
        (folder / "unet.safetensors").write_bytes(content)
        return folder / "unet.safetensors"

    def card(self, name: str = "good", *, content: bytes | None = b"the weights", **fields: object) -> Path:
        """A card of the studio's own, about a model of one file with this content."""
        said = {
            "class": "licensed", "licence": "MIT", "commercial": True, "expires": "2999-01-01", "revenue": 0,
            "territories": [], **fields,
        }  # fmt: skip
        weights = "" if content is None else f'\n[weights]\n"unet.safetensors" = "{sha256(content)}"\n'
        return self.policy(
            f"cards/{name}.toml",
            f'name = "{name}"\nmaker = "Somebody"\n'
            f'[licence]\nid = "{said["licence"]}"\n'
            f"[commercial_use]\nallowed = {str(said['commercial']).lower()}\n"
            f"revenue_threshold_usd = {said['revenue']}\nterritories = {json.dumps(said['territories'])}\n"
            f'[training_data]\nclass = "{said["class"]}"\nstatement = "So they say."\n'
            f'[review]\nreviewer = "Jane"\nreviewed_on = 2026-01-01\nexpires_on = {said["expires"]}\n' + weights,
        )

    def approval(self, *, card: str = "good", **fields: object) -> str:
        """An approval as a policy file has it, good unless `fields` say otherwise."""
        digest = fields.pop("card_sha256", "") or card_digest(load_cards(root=self.root)[card].card)
        said = {"by": "Jane", "on": str(TODAY), "uses": ["temp"], "allows": ["training-data"], **fields}
        days = ("on", "until")
        lines = [f"{key} = {value if key in days else json.dumps(value)}" for key, value in said.items()]
        return f'[[approvals]]\ncard = "{card}"\ncard_sha256 = "{digest}"\n' + "\n".join(lines) + "\n"

    def lock(self, show: str, *, place: str = "", **fields: object) -> Path:
        content = {
            "show": show,
            "locked_by": "Jane",
            "locked_on": str(TODAY),
            "engines": {"modelled": "2.0", "plate": "0.2.0"},
            "models": {"good": {"unet.safetensors": sha256(b"the weights")}},
            **fields,
        }
        digest = lock_digest(**content)  # type: ignore[arg-type]
        tables = [
            f"[{table}]\n" + "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in content[table].items())
            for table in ("engines", "models")
        ]
        head = f'show = "{content["show"]}"\nlocked_by = "Jane"\nlocked_on = {content["locked_on"]}\n'
        return self.policy(f"shows/{place or show}/lock.toml", head + f'digest = "{digest}"\n' + "".join(tables))

    # ---- what is tried

    def spec(self, *, model: str = "m", engine: str = "modelled", **parameters: str) -> JobSpec:
        spec = JobSpec(engine=engine, model=model)
        spec.plate.path = self.plate
        spec.frames.ranges.append(FrameRange(first=FIRST, last=LAST, step=1))
        spec.plate.frames.CopyFrom(spec.frames)
        spec.extend.format.size.CopyFrom(Size(width=16, height=8))
        spec.output.path = str(self.folder / "out.%04d.exr")
        for key, value in {"ledger": str(self.ledger), **parameters}.items():
            spec.controls.parameters[key].string_value = value
        return spec

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def noted(self) -> list[str]:
        return self.ledger.read_text().split() if self.ledger.exists() else []

    def allowed(self, spec: JobSpec | None = None) -> None:
        """The same job runs while nothing is wrong: without this a refusal would prove nothing."""
        plan = self.service.jobs.PlanJob(pb.PlanJobRequest(spec=spec or self.spec()), timeout=60).plan
        assert plan.feasible, plan.problems
        assert plan.decision.allowed
        self.ledger.unlink(missing_ok=True)

    def planned(self, spec: JobSpec | None = None) -> str:
        """What PlanJob says against a job; CreateJob must say the same, and no engine must have planned."""
        spec = spec or self.spec()
        self.ledger.unlink(missing_ok=True)
        plan = self.service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60).plan
        assert not plan.feasible
        assert not plan.decision.allowed
        problem = plan.problems[0]
        assert problem.code in ("POLICY", "POLICY_FILE")
        assert problem.message.startswith(plan.decision.reason)
        assert problem.next_step == plan.decision.remedy != ""
        with pytest.raises(grpc.RpcError) as caught:
            self.service.create(spec)
        status = rpc_status.from_call(caught.value)
        info = error_details_pb2.ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(info)
        assert (info.reason, info.metadata["message"]) == (problem.code, problem.message)
        assert not self.noted, "code of an engine that is not allowed has run"
        return str(problem.message)

    def begun(self, change: Callable[[], object], *, late: bool = False, **parameters: str) -> str:
        """Create a job that is allowed, `change` something before it renders, and say why it failed."""
        gate = self.folder / "gate"
        spec = self.spec(gate=str(gate), **parameters)
        job = self.service.create(spec)
        if late:
            gate.touch()
            wait_for(lambda: "render" in self.noted)
        else:
            wait_for(lambda: "prepare" in self.noted)
        change()
        (self.folder / "gate.late" if late else gate).touch()
        return self.failed(job.id, rendered=late)

    def queued(self, change: Callable[[], object]) -> str:
        """Create a job that is allowed while another has the worker, `change` something, and say why it failed."""
        gate = self.folder / "gate"
        before = self.spec(model="", gate=str(gate), ledger=str(self.folder / "first"))
        before.output.path = str(self.folder / "first.%04d.exr")
        self.service.create(before)
        wait_for((self.folder / "first").exists)
        job = self.service.create(self.spec())
        change()
        gate.touch()
        return self.failed(job.id, rendered=False)

    def failed(self, job_id: str, *, rendered: bool) -> str:
        ended = self.service.finish(job_id)
        assert ended.state == JobState.JOB_STATE_FAILED
        assert ended.error.code in ("POLICY", "POLICY_FILE"), ended.error
        assert ("render" in self.noted) == rendered
        return str(ended.error.message)

    def worker(self, *, decision: Decision | None, job: Job | None = None) -> str:
        """Send a worker of our own a step of a job, as a service would, and say what it answers."""
        step = Step(id="prepare", kind="analyse", title="Wait", weight=1.0)
        body = messages.RunStep(
            job=job or self.job(),
            plan=Plan(steps=(step,), frames=(FIRST, LAST), decision=decision),
            step_id="prepare",
            work_folder=str(self.folder / "work"),
            cache_folder=str(self.folder / "cache"),
        )
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "overscan.service.workers.main"),
                *("--lock", str(self.folder / "lock"), "--parent", str(os.getpid())),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": self.engines,
                "MODELS": str(self.models),
                "OVERSCAN_POLICY_ROOT": str(self.root),
            },
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            messages.write(process.stdin, messages.Request(number=1, body=body))
            while (answer := messages.read_report(process.stdout)) is not None:
                if isinstance(answer[1], (messages.Finished, messages.Failed)):
                    break
            process.stdin.close()
        assert answer is not None
        ending = answer[1]
        assert isinstance(ending, messages.Failed), "the worker ran it"
        assert ending.record.code in ("POLICY", "POLICY_FILE")
        assert not self.noted
        return ending.record.message

    def job(self) -> Job:
        frames = (FIRST, LAST)
        return Job(
            task=Extend(size=(16, 8)),
            plate=SequenceSource(path=self.plate, frames=frames),
            frames=frames,
            output=OutputSpec(path=str(self.folder / "out.%04d.exr")),
            engine="modelled",
            model="m",
            labels=Labels(),
            parameters={"ledger": str(self.ledger)},
        )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture(scope="module")
def running(engines: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path, Path]]:
    folder = tmp_path_factory.mktemp("policies")
    root, models = folder / "root", folder / "models"
    root.mkdir()
    models.mkdir()
    with running_services(engines, folder) as start:
        yield start(OVERSCAN_POLICY_ROOT=str(root), MODELS=str(models)), root, models


@pytest.fixture
def world(running: tuple[Service, Path, Path], engines: str, plate: str, tmp_path: Path) -> Iterator[World]:
    """One licensed model `m`, with a card of the studio's that knows its weights; everything goes with the test."""
    service, root, models = running
    for folder in (root, models):
        shutil.rmtree(folder)
        folder.mkdir()
    made = World(service=service, root=root, models=models, engines=engines, plate=plate, folder=tmp_path)
    made.card()
    made.model("m")
    yield made
    for job in service.jobs.ListJobs(pb.ListJobsRequest(), timeout=30).jobs:
        service.jobs.CancelJob(pb.CancelJobRequest(job_id=job.id), timeout=30)


# ---- the attempts: each has a job that would run, does one thing, and says what it was told


def undisclosed_model(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    return world.planned()


def mixed_model(world: World) -> str:
    world.card(**{"class": "mixed"})
    return world.planned()


def undisclosed_engine(world: World) -> str:
    return world.planned(world.spec(engine="learned", model=""))


def expired_card(world: World) -> str:
    world.card(expires=str(TODAY))
    return world.planned()


def non_commercial_licence(world: World) -> str:
    world.card(commercial=False, licence="CC-BY-NC-4.0")
    return world.planned()


def revenue_that_nobody_named(world: World) -> str:
    world.card(revenue=10_000_000)
    return world.planned()


def revenue_above_the_threshold(world: World) -> str:
    world.card(revenue=10_000_000)
    world.policy("studio.toml", "revenue_usd = 9_999_999\n")
    world.allowed()
    world.policy("studio.toml", "revenue_usd = 10_000_000\n")
    return world.planned()


def wrong_territory(world: World) -> str:
    world.card(territories=["US", "CA"])
    world.policy("studio.toml", 'territories = ["US"]\n')
    world.allowed()
    world.policy("studio.toml", 'territories = ["US", "FR"]\n')
    return world.planned()


def licence_not_listed(world: World) -> str:
    world.policy("studio.toml", 'licences = ["Apache-2.0"]\n')
    return world.planned()


def final_where_temp_is_allowed(world: World) -> str:
    world.policy("studio.toml", 'uses = ["temp"]\n')
    world.allowed()
    spec = world.spec()
    spec.use = Use.USE_FINAL
    return world.planned(spec)


def engine_not_listed(world: World) -> str:
    world.policy("studio.toml", 'engines = ["plate"]\n')
    return world.planned()


def no_consent(world: World) -> str:
    world.policy("studio.toml", "consent = true\n")
    return world.planned()


def missing_role(world: World) -> str:
    world.policy("studio.toml", 'required_approvals = ["legal"]\n' + world.approval(role="producer"))
    return world.planned()


def one_flipped_bit(world: World) -> str:
    path = world.model("m")
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    return world.planned()


def another_file_beside(world: World) -> str:
    (world.model("m").parent / "lora.safetensors").write_bytes(b"from somewhere")
    return world.planned()


def swapped_after_the_plan(world: World) -> str:
    return world.queued(lambda: world.model("m", content=b"other weights"))


def swapped_while_the_job_runs(world: World) -> str:
    return world.begun(lambda: world.model("m", content=b"other weights"))


def swapped_for_an_allowed_one(world: World) -> str:
    world.card("second", content=b"second weights")
    return world.queued(lambda: world.model("m", card="second", content=b"second weights"))


def swapped_while_the_step_runs(world: World) -> str:
    return world.begun(lambda: world.model("m", content=b"OTHER weigh"), late=True, act="load late")


def replaced_while_the_step_runs(world: World) -> str:
    def replaced() -> None:
        beside = world.folder / "beside"
        beside.write_bytes(b"the weights")
        beside.replace(world.models / "m" / "unet.safetensors")

    return world.begun(replaced, late=True, act="load late")


def renamed_model(world: World) -> str:
    """Weights whose card says that nobody knows what they learned from, in the folder of a licensed one."""
    world.card("shady", content=b"shady weights", **{"class": "undisclosed"})
    world.model("m", card="good", content=b"shady weights")
    return world.planned()


def unknown_weights_under_a_licensed_name(world: World) -> str:
    """The shipped card of a licensed model knows no hashes: any file could be called that."""
    world.policy("studio.toml", 'training_data = ["none", "licensed"]\ncommercial = false\n')
    world.model("m", card="bria-fibo", content=b"anything")
    return world.planned()


def model_without_a_card(world: World) -> str:
    world.model("m", card="nobody-knows", content=b"anything")
    return world.planned()


def card_in_the_model_folder(world: World) -> str:
    text = world.card("own").read_text()
    (world.root / "cards" / "own.toml").unlink()
    path = world.model("m", card="own", content=b"brings its card")
    (path.parent / "own.toml").write_text(text)
    (path.parent / "card.toml").write_text(text)
    return world.planned()


def second_card_for_the_same_weights(world: World) -> str:
    world.card("shady", content=b"shady weights", **{"class": "undisclosed"})
    world.card("whitewash", content=b"shady weights", **{"class": "own"})
    world.model("m", card="whitewash", content=b"shady weights")
    return world.planned()


def card_named_as_a_shipped_one(world: World) -> str:
    world.card("wan-vace", content=b"w", **{"class": "own"})
    return world.planned()


def card_that_nobody_reviewed(world: World) -> str:
    path = world.card()
    path.write_text(path.read_text().replace('reviewer = "Jane"\n', ""))
    return world.planned()


def show_that_widens(world: World) -> str:
    world.policy("studio.toml", 'training_data = ["none"]\n')
    world.policy("shows/s/show.toml", 'training_data = ["none", "licensed"]\n')
    return world.planned(in_show(world.spec()))


def show_that_widens_the_default(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("shows/s/show.toml", 'training_data = ["undisclosed"]\n')
    return world.planned(in_show(world.spec()))


def shot_that_widens(world: World) -> str:
    world.policy("shows/s/show.toml", 'uses = ["temp"]\n')
    world.policy("shows/s/shots/010.toml", 'uses = ["temp", "final"]\n')
    return world.planned(in_show(world.spec(), shot="010"))


def widened_while_the_job_runs(world: World) -> str:
    world.policy("studio.toml", STUDIO)
    return world.begun(lambda: world.policy("studio.toml", STUDIO + "everything = true\n"))


def misspelt_rule(world: World) -> str:
    world.policy("studio.toml", 'trainingdata = ["none"]\n')
    return world.planned()


def broken_file(world: World) -> str:
    world.policy("studio.toml", "training_data = [\n")
    return world.planned()


def link_to_nowhere(world: World) -> str:
    (world.root / "studio.toml").symlink_to(world.root / "gone.toml")
    return world.planned()


def approval_that_ended(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval(on=str(TODAY - timedelta(days=9)), until=str(TODAY)))
    return world.planned()


def approval_for_temp(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval())
    world.allowed()
    spec = world.spec()
    spec.use = Use.USE_FINAL
    return world.planned(spec)


def card_edited_after_its_approval(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval())
    world.allowed()
    path = world.card(**{"class": "undisclosed"})
    path.write_text(path.read_text().replace("So they say.", "So they said."))
    return world.planned()


def approval_for_other_weights(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval() + f'[approvals.weights]\n"a" = "{sha256(b"else")}"\n')
    return world.planned()


def approval_of_what_none_allows(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", 'never = ["undisclosed"]\n' + world.approval())
    return world.planned()


def approval_where_none_counts(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("shows/s/show.toml", "")
    world.policy("shows/s/shots/010.toml", world.approval())
    return world.planned(in_show(world.spec(), shot="010"))


def approval_without_a_name(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval(by=" "))
    return world.planned()


def approval_of_everything(world: World) -> str:
    world.card(expires=str(TODAY))
    world.policy("studio.toml", world.approval(allows=["training-data", "expired"]))
    return world.planned()


def approval_taken_back(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", world.approval())
    return world.begun(lambda: world.policy("studio.toml", STUDIO))


def locked_to_another_version(world: World) -> str:
    world.lock("s")
    world.allowed(in_show(world.spec()))
    world.lock("s", engines={"modelled": "1.9"})
    return world.planned(in_show(world.spec()))


def locked_without_the_engine(world: World) -> str:
    world.lock("s", engines={"plate": "0.2.0"})
    return world.planned(in_show(world.spec()))


def locked_to_other_weights(world: World) -> str:
    world.lock("s", models={"good": {"unet.safetensors": sha256(b"older weights")}})
    return world.planned(in_show(world.spec()))


def edited_lock(world: World) -> str:
    path = world.lock("s", engines={"modelled": "1.9"})
    path.write_text(path.read_text().replace('"1.9"', '"2.0"'))
    return world.planned(in_show(world.spec()))


def lock_of_another_show(world: World) -> str:
    world.lock("other", place="s")
    return world.planned(in_show(world.spec()))


def narrowed_while_the_job_runs(world: World) -> str:
    return world.begun(lambda: world.policy("studio.toml", 'engines = ["plate"]\n'))


def label_that_leads_elsewhere(world: World) -> str:
    world.policy("shows/s/show.toml", "")
    world.policy("../evil/show.toml", 'training_data = ["undisclosed"]\n')
    return world.planned(in_show(world.spec(), show="../../evil"))


def label_in_another_case(world: World) -> str:
    world.policy("shows/Secret Show/show.toml", 'engines = ["plate"]\n')
    return world.planned(in_show(world.spec(), show=" secret show "))


def no_label_where_one_is_needed(world: World) -> str:
    world.policy("studio.toml", "known_shows_only = true\n")
    world.policy("shows/s/show.toml", "")
    world.allowed(in_show(world.spec()))
    return world.planned(in_show(world.spec(), show="unheard of"))


def engine_under_another_name(world: World) -> str:
    return world.planned(world.spec(engine="renamed", model=""))


def engine_of_two_packages(world: World) -> str:
    plan = world.service.jobs.PlanJob(pb.PlanJobRequest(spec=world.spec(engine="twin")), timeout=60).plan
    assert not plan.feasible
    return str(plan.problems[0].message)


def engine_that_loads_what_it_did_not_name(world: World) -> str:
    (world.models / "other").mkdir()
    (world.models / "other" / "other.ckpt").write_bytes(b"whatever")
    return world.failed(world.service.create(world.spec(act="other weights")).id, rendered=True)


def engine_that_calls_home(world: World) -> str:
    return world.failed(world.service.create(world.spec(act="call")).id, rendered=True)


def engine_that_hides_that_it_calls_home(world: World) -> str:
    return world.failed(world.service.create(world.spec(act="call quietly")).id, rendered=True)


def retry_of_what_was_refused(world: World) -> str:
    first = world.queued(lambda: world.model("m", content=b"other weights"))
    failed = world.service.jobs.ListJobs(pb.ListJobsRequest(), timeout=30).jobs[0].id  # the newest
    world.service.jobs.RetryJob(pb.RetryJobRequest(job_id=failed), timeout=30)
    again = world.failed(failed, rendered=False)
    assert again == first
    return again


def worker_asked_directly_with_a_forged_decision(world: World) -> str:
    world.card(**{"class": "undisclosed"})
    return world.worker(decision=allowing())


def worker_asked_directly_without_a_decision(world: World) -> str:
    return world.worker(decision=None)


def worker_asked_directly_with_a_refusal(world: World) -> str:
    return world.worker(decision=replace(allowing(), allowed=False))


def worker_asked_directly_with_a_decision_on_another_model(world: World) -> str:
    return world.worker(decision=replace(allowing(), card="plate", weights=()))


def worker_asked_directly_by_a_show_that_widens(world: World) -> str:
    world.policy("shows/s/show.toml", 'training_data = ["undisclosed"]\n')
    return world.worker(decision=allowing(), job=replace(world.job(), labels=Labels(show="s")))


def policy_in_the_job(world: World) -> str:
    """A job may say what it likes of policies, cards and approvals."""
    world.card(**{"class": "undisclosed"})
    spec = world.spec(policy="allow", approvals="all", card="whitewash", policy_root=str(world.folder))
    spec.labels.artist = "legal"
    world.policy("../cards/whitewash.toml", (world.root / "cards" / "good.toml").read_text())
    return world.planned(spec)


def in_show(spec: JobSpec, show: str = "s", shot: str = "") -> JobSpec:
    spec.labels.show, spec.labels.shot = show, shot
    return spec


def allowing() -> Decision:
    """A decision that somebody has made up."""
    return Decision(allowed=True, reason="Because.", policy="default")


ATTEMPTS: dict[Callable[[World], str], str] = {
    undisclosed_model: r"'good' learned from data that its maker does not disclose, which the policy 'default' does",
    mixed_model: "learned from unlicensed works among others",
    undisclosed_engine: "'learned' learned from data that its maker does not disclose",
    expired_card: f"The rights card 'good' expired on {TODAY}",
    non_commercial_licence: "CC-BY-NC-4.0, does not allow commercial use",
    revenue_that_nobody_named: "10,000,000 US dollars on 'good' needs a paid licence, and nobody has said",
    revenue_above_the_threshold: "needs a paid licence, and it is 10,000,000 US dollars",
    wrong_territory: "may be used in US, CA only, and results are for FR",
    licence_not_listed: "has the licence MIT, which the policy 'studio' does not list",
    final_where_temp_is_allowed: "allows results for temp use only",
    engine_not_listed: "does not list the engine 'modelled'",
    no_consent: "does not say that people in its training data have consented",
    missing_role: "asks for an approval of 'good' by the role 'legal'",
    one_flipped_bit: "The file 'unet.safetensors' is not the one that the card 'good' is about",
    another_file_beside: "The file 'lora.safetensors' is not the one that the card 'good' is about",
    swapped_after_the_plan: "The file 'unet.safetensors' is not the one",
    swapped_while_the_job_runs: "'unet.safetensors' of the model was changed while it was in use",
    swapped_for_an_allowed_one: "was allowed to run with other files",
    swapped_while_the_step_runs: "'unet.safetensors' of the model was changed while it was in use",
    replaced_while_the_step_runs: "'unet.safetensors' of the model was changed while it was in use",
    renamed_model: "'shady' learned from data that its maker does not disclose",
    unknown_weights_under_a_licensed_name: "Nothing says that these files are the model 'bria-fibo'",
    model_without_a_card: "No rights card says what the model 'nobody-knows' is",
    card_in_the_model_folder: "No rights card says what the model 'own' is",
    second_card_for_the_same_weights: "'shady' learned from data",
    card_named_as_a_shipped_one: "the name 'wan-vace' is taken",
    card_that_nobody_reviewed: "review.reviewer: 'reviewer' is missing",
    show_that_widens: r"shows/s/show.toml, training_data: .* allows more than .*studio.toml, which has \[none\]",
    show_that_widens_the_default: "allows more than the default policy",
    shot_that_widens: r"010.toml, uses: .* allows more than .*show.toml, which has \[temp\]",
    widened_while_the_job_runs: "studio.toml, everything: there is no 'everything' here",
    misspelt_rule: "there is no 'trainingdata' here",
    broken_file: "studio.toml is no TOML",
    link_to_nowhere: "studio.toml cannot be read",
    approval_that_ended: f"the approval by Jane ended on {TODAY}",
    approval_for_temp: "the approval by Jane is for temp use",
    card_edited_after_its_approval: "the approval by Jane is for another text of the card",
    approval_for_other_weights: "the approval by Jane is for other weights",
    approval_of_what_none_allows: "which the policy 'studio' never allows",
    approval_where_none_counts: "010.toml, approvals: a shot may not approve anything",
    approval_without_a_name: r"approvals\[0\].by: 'by' is missing",
    approval_of_everything: r"approvals\[0\].allows: no approval can allow that",
    approval_taken_back: "does not disclose, which the policy 'Acme' does not allow",
    locked_to_another_version: "locked to 'modelled' 1.9, and this is 2.0",
    locked_without_the_engine: "its lock does not have the engine 'modelled'",
    locked_to_other_weights: "is locked to other weights than these of 'good'",
    edited_lock: "lock.toml was changed after it was made",
    lock_of_another_show: "is that of the show 'other', not of 's'",
    narrowed_while_the_job_runs: "does not list the engine 'modelled'",
    label_that_leads_elsewhere: "The show is called '../../evil', and no policy can be called that",
    label_in_another_case: "The policy 'show Secret Show' does not list the engine",
    no_label_where_one_is_needed: "asks for a show that has a policy",
    policy_in_the_job: "'good' learned from data that its maker does not disclose",
    engine_under_another_name: "installed as 'renamed' calls itself 'plate'",
    engine_of_two_packages: "two installed packages have an engine called 'twin'",
    engine_that_loads_what_it_did_not_name: "opened the weights '.*other.ckpt', which it had not named",
    engine_that_calls_home: "called '203.0.113.1', and no policy lets an engine use the network",
    engine_that_hides_that_it_calls_home: "called 'example.com'",
    retry_of_what_was_refused: "The file 'unet.safetensors' is not the one",
    worker_asked_directly_with_a_forged_decision: "which the policy 'default' does not allow",
    worker_asked_directly_without_a_decision: "was never allowed by a policy",
    worker_asked_directly_with_a_refusal: "was never allowed by a policy",
    worker_asked_directly_with_a_decision_on_another_model: "was allowed to run with other files",
    worker_asked_directly_by_a_show_that_widens: "allows more than the default policy",
}
"""What is tried, and what must be said."""


def test_there_are_enough_attempts() -> None:
    assert len(ATTEMPTS) >= 25


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
def test_what_a_policy_denies_does_not_run(attempt: Callable[[World], str], world: World) -> None:
    world.allowed()
    said = attempt(world)
    assert re.search(ATTEMPTS[attempt], said, re.DOTALL), said


def test_what_a_policy_allows_runs(world: World) -> None:
    world.card(**{"class": "undisclosed"})
    world.policy("studio.toml", STUDIO + world.approval(role="legal"))
    done = world.service.finish(world.service.create(in_show(world.spec())).id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED, done.error
    decision = done.plan.decision
    assert decision.allowed
    assert decision.reason.endswith("with the approval of Jane.")
    assert (decision.policy, decision.card, decision.use) == ("Acme", "good", "temp")
    assert [(item.by, item.role, item.level) for item in decision.approvals] == [("Jane", "legal", "studio")]
    assert [(item.name, item.sha256) for item in decision.weights] == [("unet.safetensors", sha256(b"the weights"))]
    assert decision.policy_files[0].sha256 == sha256((world.root / "studio.toml").read_bytes())
    assert decision.card_sha256 == card_digest(load_cards(root=world.root)["good"].card)


def test_a_policy_that_changes_and_still_allows_is_said(world: World) -> None:
    world.policy("studio.toml", STUDIO)
    gate = world.folder / "gate"
    job = world.service.create(world.spec(gate=str(gate)))
    wait_for(lambda: "prepare" in world.noted)
    world.policy("studio.toml", STUDIO + 'note = "another text"\n')
    gate.touch()
    done = world.service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert [notice.code for notice in done.warnings] == ["POLICY_CHANGED"]


def test_the_plate_engine_needs_no_policy(world: World) -> None:
    decision = world.service.jobs.PlanJob(
        pb.PlanJobRequest(spec=plain(world.spec(engine="plate", model=""))), timeout=60
    ).plan.decision
    assert decision.allowed
    assert (decision.policy, decision.card, list(decision.weights)) == ("default", "plate", [])
    assert "learned from no data" in decision.reason


def plain(spec: JobSpec) -> JobSpec:
    spec.controls.parameters.clear()
    return spec
