"""Public addresses that lead to this machine.

Terraform's outputs are where Rampart looks for the hosts. In a rehearsal all hosts are this machine, so every
Elastic IP and every public address of an instance is 127.0.0.1, but for the Elastic IPs of load generators: their
sshd has an address of its own.
"""

from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend

from deployments.rehearsal.cloud.patching import replace
from deployments.rehearsal.hosts import LOADGEN_ADDRESS

PUBLIC_ADDRESS = "127.0.0.1"
_MOTOS_ALLOCATE = ElasticAddressBackend.allocate_address


def install() -> None:
    """Make every public address the loopback address, and let moto tell equal addresses apart by their ids."""
    replace(elastic_ip_addresses, "random_ip", _loopback)
    replace(elastic_network_interfaces, "random_public_ip", _loopback)
    replace(ElasticAddressBackend, "release_address", _release_address)
    replace(ElasticAddressBackend, "allocate_address", _allocate_address)


def _loopback() -> str:
    return PUBLIC_ADDRESS


def _allocate_address(
    backend: ElasticAddressBackend, domain: str, address: str | None = None, tags: dict[str, str] | None = None
) -> ElasticAddress:
    """Allocate an address as moto does; the tag Name tells a load generator's."""
    if address is None and "-loadgen-" in (tags or {}).get("Name", ""):
        address = LOADGEN_ADDRESS
    allocated: ElasticAddress = _MOTOS_ALLOCATE(backend, domain, address, tags)
    return allocated


def _release_address(
    backend: ElasticAddressBackend, address: str | None = None, allocation_id: str | None = None
) -> None:
    """Release one address.

    moto's own takes the association away from the first address with the same IP, which here is any other one.
    """
    found = backend.address_by_ip([address]) if address else backend.address_by_allocation([allocation_id or ""])
    released = found[0]
    if released.association_id:
        backend.disassociate_address(association_id=released.association_id)
    released.allocation_id = None
    backend.addresses.remove(released)
