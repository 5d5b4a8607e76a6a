"""How asking a bank can fail."""

from integrations.partner.errors import PartnerAway, PartnerRefused

BankAway = PartnerAway
BankRefused = PartnerRefused
