"""What the operator states because no software can see it: agreements and attestations."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields
from hedgerow.declaration.kinds import Day, Model, Text


class Agreement(Model):
    """A business associate agreement (45 CFR 164.308(b)); its evidence is your word, with this reference."""

    party: Text = Field(alias="with", description="With whom.", examples=["aws"])
    signed: Day = Field(description="When it was signed, year-month-day.", examples=["2026-02-01"])
    reference: Text = Field(description="Where an auditor finds it.", examples=["Legal archive, BAA 1234"])


class Attestation(Model):
    """Your word that a paragraph of the Security Rule is met (or does not concern you) where software cannot see it.

    It is shown as attested, with name, date and reference, and never counts as passed.
    """

    paragraph: Annotated[str, AfterValidator(fields.paragraph)] = Field(
        description="The paragraph of 45 CFR part 164; checks/standards.yml lists them.", examples=["164.308(a)(2)"]
    )
    name: Text = Field(description="Who says so.", examples=["Jane Doe, security officer"])
    date: Day = Field(description="When, year-month-day.", examples=["2026-02-01"])
    reference: Text = Field(description="Where an auditor finds it.", examples=["Policy binder, chapter 2"])


class LegalHold(Model):
    """Nothing of this deployment may be destroyed: a court, an investigation or a contract wants it kept."""

    reason: Text = Field(description="Why, in words for an auditor.", examples=["Doe v. Acme, preservation order"])
    since: Day = Field(description="From which day, year-month-day.", examples=["2026-02-01"])
    by: Text = Field(description="Who ordered it, and alone may lift it.", examples=["Jane Doe, general counsel"])
