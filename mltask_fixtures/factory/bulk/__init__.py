"""Payloads by the million: written block by block, whole or not at all, by one process, several, or a Dask cluster."""

from mltask_fixtures.factory.bulk.engines import Engine, alone, dask, processes
from mltask_fixtures.factory.bulk.forms import FORMS
from mltask_fixtures.factory.bulk.generate import generate
from mltask_fixtures.factory.bulk.order import Block, Order

__all__ = ["FORMS", "Block", "Engine", "Order", "alone", "dask", "generate", "processes"]
