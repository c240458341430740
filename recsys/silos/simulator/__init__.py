"""A retail world with known truth: invented persons, items and silos."""

from recsys.silos.simulator.catalogue import make_catalogue
from recsys.silos.simulator.config import SiloKind, SiloSpec, WorldConfig, registered_customers
from recsys.silos.simulator.files import write_world
from recsys.silos.simulator.silo import SimulatedSilo, simulated_silos
from recsys.silos.simulator.world import World

__all__ = [
    "SiloKind",
    "SiloSpec",
    "SimulatedSilo",
    "World",
    "WorldConfig",
    "make_catalogue",
    "registered_customers",
    "simulated_silos",
    "write_world",
]
