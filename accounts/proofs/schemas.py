"""Proofs and roots as callers see them, and as the checker reads them."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from accounts.ids import public_id
from accounts.proofs.checker import FORMAT, Node
from accounts.quantities import grams

if TYPE_CHECKING:
    from accounts.proofs.tree import EntryProof

REVEALS = {
    "zh": "证明路径上的每个旁支节点显示:其下减排量之和、冲回之和、分录条数、首末假名与哈希。最底层的旁支是另一条分录,"
    "因此会显示其数额;但其主体、编号、时间与场景均不显示,假名仅在本次签发内有效,没有密钥无法还原。",
    "en": "Each node beside the path shows the sums of credits and reversals under it, how many entries these are, the "
    "first and the last pseudonym and a hash. At the lowest level it may be one other entry, whose amount shows; its "
    "owner, id, time and scene do not, and its pseudonym is of this issuance only and leads nowhere without the key.",
}


class ProofReveals(BaseModel):
    """What a proof tells of others, in both languages."""

    zh: str
    en: str


class TreeNode(BaseModel):
    """A node of a Merkle sum tree."""

    hash: str = Field(description="SHA-256, hexadecimal")
    credits_co2e_g: str = Field(description="Sum of credits under it, grams, decimal", examples=["1234.567"])
    reversals_co2e_g: str = Field(description="Sum of reversals under it", examples=["0"])
    count: int = Field(description="Entries under it")
    least: str = Field(description="Pseudonym of the first entry under it, hexadecimal")
    greatest: str = Field(description="Pseudonym of the last one")


class ProofStep(TreeNode):
    """A node beside the path, on the left or the right of it."""

    side: Literal["left", "right"]


class EntryProofView(BaseModel):
    """Proves that an entry stands once in an issuance; `tanpuhui prove` checks it without any service."""

    format: str = Field(examples=[FORMAT])
    issuance_id: str = Field(examples=["iss_" + "0" * 32])
    entry_id: str = Field(examples=["ent_" + "0" * 32])
    credits_co2e_g: str = Field(description="What the entry adds, grams, decimal", examples=["467.28"])
    reversals_co2e_g: str = Field(description="What it takes back", examples=["0"])
    key: str = Field(description="The entry's pseudonym in this issuance; no other issuance has it")
    salt: str = Field(description="Hides the entry in its leaf from all who do not have it")
    path: list[ProofStep] = Field(description="From the leaf up to the root")
    root: TreeNode = Field(description="To be compared with the root that is published")
    reveals: ProofReveals


def node_view(node: Node) -> TreeNode:
    """A node as callers see it."""
    return TreeNode(
        hash=node.hash.hex(),
        credits_co2e_g=grams(node.credits_mg),
        reversals_co2e_g=grams(node.reversals_mg),
        count=node.count,
        least=node.least.hex(),
        greatest=node.greatest.hex(),
    )


def proof_view(proof: "EntryProof") -> EntryProofView:
    """A proof as callers see it."""
    return EntryProofView(
        format=FORMAT,
        issuance_id=public_id("iss", proof.issuance_id),
        entry_id=public_id("ent", proof.entry_id),
        credits_co2e_g=grams(proof.credits_mg),
        reversals_co2e_g=grams(proof.reversals_mg),
        key=proof.key.hex(),
        salt=proof.salt.hex(),
        path=[
            ProofStep(side="left" if step.left else "right", **node_view(step.sibling).model_dump())
            for step in proof.path
        ],
        root=node_view(proof.root),
        reveals=ProofReveals(**REVEALS),
    )
