"""A privacy statement in the shape of an entry in the registry of differential privacy deployments.

The sections and keys are those of the registry's schema (Nanayakkara, Ghazi & Vadhan 2025, and
registry.opendp.org), at its third tier of transparency: what, for whom, unit and loss, trust model,
accounting, implementation. What only the curator can know (name, region, web address) is left to the curator.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from recsys.privacy.statement import PrivacyStatement
from recsys.words import counted

TIER = 3
TO_BE_FILLED_IN = ("data_curator", "data_product_region")


def registry_entry(
    statement: PrivacyStatement, *, model: str, published: date, curator: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The entry of one published model, JSON-ready.

    model: name and version of the model; published: the day it was made; curator: the fields that only the
    curator knows (`TO_BE_FILLED_IN`), empty where left out.
    """
    known = dict.fromkeys(TO_BE_FILLED_IN, "") | dict(curator or {})
    return {
        "status": "Draft",
        "tier": TIER,
        "deployment": {
            "basic": _basic(statement, model, published) | known,
            "dp_variant": {
                "name": "Approximate DP",
                "data_domain": "Multisets of customers, each with all purchases and other events in a silo",
                "unprotected_quantities": "Public catalogue, registered numbers of customers, sampling "
                "rates, numbers of steps, and facts that hold for customers in general",
            },
            "privacy_loss": _loss(statement),
            "deployment_model": _model(statement),
            "accounting": {
                "post_processing": "Shrinkage, factorisation, the server's optimizer and the index work on "
                "noised sums alone",
                "composition": f"All mechanisms and all releases in the ledgers' lifetime, over the worst "
                f"choice of {counted(statement.max_silos_per_person, 'silo')}, by {statement.accountant}; "
                f"by Rényi accounting epsilon is {statement.rdp_epsilon:.4g}",
            },
            "implementation": _implementation(statement),
            "administrative": {"notes": statement.stamp, "evidence_sources": dict(statement.heads)},
        },
    }


def _basic(statement: PrivacyStatement, model: str, published: date) -> dict[str, str]:
    return {
        "name": model,
        "description": statement.in_plain_words,
        "intended_use": "Recommending items to customers of the silos, each inside its own silo",
        "data_product_type": "Machine learning model",
        "data_product_sector": "Retail",
        "publication_date": published.isoformat(),
    }


def _loss(statement: PrivacyStatement) -> dict[str, Any]:
    return {
        "privacy_unit": statement.unit,
        "privacy_unit_description": f"One person with all records, in up to "
        f"{counted(statement.max_silos_per_person, 'silo')}; neighbouring data sets: {statement.relation}",
        "privacy_parameters": {"epsilon": statement.epsilon, "delta": statement.delta},
        "privacy_parameters_description": f"{statement.period}; this model's run alone: epsilon "
        f"{statement.run_epsilon:.4g}",
    }


def _model(statement: PrivacyStatement) -> dict[str, str]:
    return {
        "model_name": "Federated: noise is added in each silo",
        "model_name_description": statement.trust_model,
        "actors": "Silos (trusted with their own customers' data); coordinator and public (not trusted)",
        "release_type": "Multiple releases",
        "release_type_description": "Noised sums and noised gradient steps, then one model; later models "
        "are charged to the same ledgers",
        "data_source_type": "Dynamic",
        "data_source_type_description": "Each silo's tables and the events that its server has taken",
        "access_type": "Non-interactive",
        "access_type_description": "Nobody queries customers' data; models are published whole",
    }


def _implementation(statement: PrivacyStatement) -> dict[str, Any]:
    return {
        "pre_processing_eda_hyperparameter_tuning": "Settings come from public or simulated data; any trial "
        "on customers' data is charged like a run",
        "mechanisms": [
            {
                "name": note.name,
                "mechanism": "Gaussian" if note.sampling_rate == 1.0 else "Poisson-subsampled Gaussian",
                "clip_norm": note.clip_norm,
                "noise_multiplier": note.noise_multiplier,
                "sampling_rate": note.sampling_rate,
                "steps": note.steps,
            }
            for note in statement.mechanisms
        ],
        "justification": " ".join((*statement.assumptions, *statement.known_limits)),
        "noise_source": statement.noise_source,
        "plan_fingerprint": statement.plan_fingerprint,
    }
