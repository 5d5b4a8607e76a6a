"""Pending credits are collected: the service may give an activity another outcome."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0003"
down_revision = "20261121_0002"


def upgrade() -> None:
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(f"GRANT UPDATE (outcome) ON activities TO {role}")


def downgrade() -> None:
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(f"REVOKE UPDATE (outcome) ON activities FROM {role}")
