"""What can stop a backtest, in Chinese and English."""


class BacktestError(Exception):
    """A backtest that cannot be made as asked."""

    def __init__(self, message_zh: str, message_en: str) -> None:
        super().__init__(f"{message_en} {message_zh}")
        self.message_zh = message_zh
        self.message_en = message_en


class EngineRefused(BacktestError):
    """An engine cannot compute a methodology exactly, so it does not compute it at all.

    `node` names what it cannot do; `--engine rows` computes every methodology.
    """

    def __init__(self, engine: str, node: str, message_zh: str, message_en: str) -> None:
        super().__init__(
            f"引擎 {engine} 不能精确计算（{node}）：{message_zh}。请用 --engine rows",
            f"engine {engine} cannot compute this exactly ({node}): {message_en}; use --engine rows.",
        )
        self.engine = engine
        self.node = node
