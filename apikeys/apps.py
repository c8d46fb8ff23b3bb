from django.apps import AppConfig

from apikeys import writer_thread


def _give_work_to_the_writer() -> None:
    from apikeys.leases import kept_rows, registration
    from apikeys.limits import blocks
    from apikeys.usage import counting
    from apikeys.verify import failed_keys
    from common import refusal_lines
    from common.metrics import counts

    each_turn = (registration.renew, counting.flush, failed_keys.share, blocks.give_back_quiet)
    writer_thread.give(
        each_turn=(*each_turn, refusal_lines.write_summaries),
        at_the_end=(counting.flush, blocks.give_back_all, refusal_lines.write_all),
    )
    refusal_lines.give(writer_thread.wake)
    counts.give("usage_waiting", counting.waiting)
    counts.give("rows_leased", kept_rows.number)
    counts.give("budget_blocks", blocks.number)


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
    default = True

    def ready(self) -> None:
        from apikeys import checks  # noqa: F401  registers them
        from apikeys.hand_over import ended_offers  # noqa: F401  registers them
        from apikeys.keys import receivers  # noqa: F401  registers them
        from apikeys.responsible import cleared, deactivated, deleted  # noqa: F401  registers them

        _give_work_to_the_writer()


class CheckConfig(AppConfig):
    """For processes that only check keys (config/check_settings.py): the tables, without what the pages do."""

    name = "apikeys"

    def ready(self) -> None:
        _give_work_to_the_writer()
