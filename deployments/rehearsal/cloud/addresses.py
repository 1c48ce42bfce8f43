"""Public addresses that lead to this machine.

Terraform's outputs are where Rampart looks for the hosts. In a rehearsal all hosts are this machine, so every
Elastic IP and every public address of an instance is 127.0.0.1.
"""

from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend

from deployments.rehearsal.cloud.patching import replace

PUBLIC_ADDRESS = "127.0.0.1"


def install() -> None:
    """Make every public address the loopback address, and let moto tell equal addresses apart by their ids."""
    replace(elastic_ip_addresses, "random_ip", _loopback)
    replace(elastic_network_interfaces, "random_public_ip", _loopback)
    replace(ElasticAddressBackend, "release_address", _release_address)


def _loopback() -> str:
    return PUBLIC_ADDRESS


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
