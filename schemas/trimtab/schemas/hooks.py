"""Hooks of a release file: who is asked outside before something is done.

A hook is named, and never addressed: where it is and how it is asked stands in a file of whoever runs `trimtab notify`,
so that nobody who may write a release file can have Trimtab call addresses of their choice.
"""

from trimtab.schemas.part import Name, Part


class Hooks(Part):
    """The hooks of a release, by their names.

    >>> Hooks.model_validate({"confirmPromotion": "ci"}).confirm_promotion
    'ci'
    """

    confirm_promotion: Name | None = None
    """is asked before a variant takes all traffic for good, of a blue/green release before the switch; until it answers
    200 weights are held"""
    confirm_rollback: Name | None = None
    """is asked again and again while the release goes on, and rolls it back by answering 200"""
