"""Images: built from the checkout for the SUT's architecture and pushed, in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from prefect import task

from blocks.models.errors import Failed
from blocks.models.settings import Image
from blocks.models.verdict import Judgement, failed, passed
from tasks.account import account_of
from tasks.clients.containers import ContainerEngine
from tasks.run import Run

# The tag the compose file on the SUT pulls.
IMAGE_TAG = "latest"
# Builds that run at once; more only compete for the worker's cores.
_BUILDS_AT_ONCE = 3
# What Docker calls the architectures of EC2.
_DOCKER_ARCHITECTURE = {"x86_64": "amd64", "arm64": "arm64"}


def engine_of(run: Run) -> ContainerEngine:
    """Return the worker's container engine, with a log-in of its own for this run."""
    return ContainerEngine(run.environment.container_command, run.folder / "docker")


@task(retries=2, retry_delay_seconds=2)
def log_in_to_registry(run: Run) -> str:
    """Log the worker's engine in to the account's registry."""
    login = account_of(run).registry_login()
    engine_of(run).log_in(login)
    return login.endpoint


@task
def build_and_push(run: Run, architecture: str) -> dict[str, str]:
    """Build and push every image; return repository -> digest."""
    repositories = account_of(run).repositories()
    missing = [image.repository for image in run.environment.images if image.repository not in repositories]
    if missing:
        raise Failed(f"The registry has no repository {', '.join(missing)}; wanted is one for each image of the block.")
    docker = _DOCKER_ARCHITECTURE[architecture]

    def make(image: Image) -> tuple[str, str]:
        engine = engine_of(run)
        tag = f"{repositories[image.repository]}:{IMAGE_TAG}"
        checkout = run.environment.checkout
        engine.build(checkout / image.context, checkout / image.dockerfile, tag, docker)
        built = engine.architecture(tag)
        if built != docker:
            raise Failed(
                f"{image.repository} was built for {built}, wanted is {docker}; the builder cannot cross-build: use buildx."
            )
        return image.repository, engine.push(tag)

    with ThreadPoolExecutor(_BUILDS_AT_ONCE) as pool:
        return dict(pool.map(make, run.environment.images))


@task
def read_pushed(run: Run) -> dict[str, str]:
    """Return the digests the registry has for the images: repository -> digest of latest."""
    account = account_of(run)
    return {
        image.repository: account.image_digests(image.repository).get(IMAGE_TAG, "") for image in run.environment.images
    }


def judge_images(pushed: dict[str, str], registered: dict[str, str], architecture: str) -> Judgement:
    """Judge whether the registry holds what was pushed."""
    wrong = [name for name, digest in pushed.items() if registered.get(name) != digest]
    if wrong:
        return failed(f"The registry's digest of {', '.join(wrong)} is not the pushed one; push again.")
    shown = ", ".join(f"{name} {digest[7:19]}" for name, digest in sorted(pushed.items()))
    return passed(f"{len(pushed)} images for {architecture}: {shown}")
