"""What the container files say is what Kubernetes, Compose and we can read. No container engine runs here."""

import re
from pathlib import Path

import click
import pytest
import yaml

from predictor.cli.app import app

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"
MANIFESTS = sorted((CONTAINERS / "kubernetes").glob("*.yaml"))
RESOURCES = [
    pytest.param(resource, id=f"{path.name}: {resource['kind']}")
    for path in MANIFESTS
    for resource in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
COMPOSE = yaml.safe_load((CONTAINERS / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (CONTAINERS / "Dockerfile").read_text(encoding="utf-8")


def parse(words):
    """Parse a command line of ours as far as its options go."""
    name, *arguments = words
    return app.get_command(click.Context(app), name).make_context(name, arguments).params


def pod_of(resource):
    spec = resource["spec"]
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return spec.get("template", {}).get("spec", {"containers": []})


@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("resource", RESOURCES)
def test_manifests_are_what_kubernetes_takes(resource, version):
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    validator.validate(resource, version, strict=True)


def test_a_misspelt_key_would_be_noticed():
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    broken = yaml.safe_load((CONTAINERS / "kubernetes" / "coordinator.yaml").read_text(encoding="utf-8"))
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, "1.34", strict=True)


@pytest.mark.parametrize("resource", RESOURCES)
def test_commands_volumes_and_selectors_of_manifests_fit_together(resource):
    pod = pod_of(resource)
    for container in pod["containers"]:
        if container["image"].startswith("predictor"):
            parse(container["args"])
            probe = container.get("livenessProbe", {}).get("exec", {}).get("command")
            assert probe is None or (probe[0] == "predictor" and parse(probe[1:]))
        claimed = {claim["metadata"]["name"] for claim in resource["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | claimed
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    selector = resource["spec"].get("selector", {})
    labels = resource["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    assert selector.get("matchLabels", {}).items() <= labels.items()


def test_probes_ask_the_page_that_serve_answers():
    from predictor.serve.app import HEALTH

    (pod,) = (pod_of(found.values[0]) for found in RESOURCES if found.id == "serve.yaml: Deployment")
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == HEALTH
    assert HEALTH in COMPOSE["services"]["serve"]["healthcheck"]["test"][-1]


def test_all_of_one_file_name_the_same_claim_and_secret():
    text = "".join(path.read_text(encoding="utf-8") for path in MANIFESTS)
    assert set(re.findall(r"claimName: (\w+)", text)) == {"ladder"}
    assert set(re.findall(r"secretKeyRef: \{name: (\w+)", text) + re.findall(r"secretName: (\w+)", text)) == {
        "predictor"
    }


def test_compose_is_what_compose_takes_and_its_commands_are_ours():
    models = pytest.importorskip("compose_spec.models", reason="compose-spec is not installed")
    models.ComposeSpecification.model_validate(COMPOSE)
    services = COMPOSE["services"]
    assert parse(services["coordinator"]["command"])["watching"]
    assert parse(services["serve"]["command"])["host"] == "0.0.0.0"
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    assert (CONTAINERS / services["coordinator"]["build"]["context"]).resolve() == ROOT


def test_the_dockerfile_copies_what_is_there_and_what_is_not_ignored():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source
            assert any(source == entry or source.startswith(f"{entry}/") for entry in allowed), source
    # Whatever the wheel takes in must have been copied before it is built.
    for source in re.findall(r'^"(benchmarks/\w+)" = ', (ROOT / "pyproject.toml").read_text(), re.MULTILINE):
        assert f"COPY {source} " in DOCKERFILE


def test_the_dockerfile_installs_by_the_script_that_the_release_check_runs():
    assert "/containers/install.sh" in DOCKERFILE
    assert "containers/install.sh" in (ROOT / "containers" / "release_check.sh").read_text(encoding="utf-8")
