"""How much of everything, at each scale. Entity tuples are in the order US01, DE01, UK01."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers of records; ``timecards`` are splits in all, the special ones below included."""

    people: tuple
    customers: tuple
    time_material: tuple
    fixed_price: tuple
    milestone: tuple
    team: int
    timecards: int
    expenses: int
    open_deals: int
    lost_deals: int
    #: contracts with a second open project
    second_projects: int
    internal_timecards: int
    # kinds of splits that are ordinary business but do not go straight to an invoice
    july: int
    negative: int
    held_at_source: int
    excluded_at_source: int
    billed_at_source: int
    # defects of the first act (splits unless said otherwise)
    hidden_people: int
    unknown_person: int
    closed_projects: int
    closed_project: int
    missing_rate_people: int
    missing_rate: int
    duplicate_accounts: int
    wrong_entity: int
    currency_mismatch: int
    unmapped_assignments: int
    unmapped_role: int
    back_dated: int
    same_second: int
    incomplete_deals: int
    incomplete_with_project: int
    incomplete_timecards: int
    # the second act
    late_edit: int
    deleted: int
    rejected_billed: int
    rejected_unbilled: int


SCALES = {
    "full": Scale(
        people=(18, 15, 12), customers=(16, 14, 12), time_material=(12, 10, 8), fixed_price=(6, 5, 4),
        milestone=(6, 5, 4), team=6, timecards=20_000, expenses=600, open_deals=18, lost_deals=12, second_projects=3,
        internal_timecards=120, july=60, negative=6, held_at_source=20, excluded_at_source=15, billed_at_source=25,
        hidden_people=2, unknown_person=30, closed_projects=2, closed_project=40, missing_rate_people=3,
        missing_rate=36, duplicate_accounts=3, wrong_entity=24, currency_mismatch=18, unmapped_assignments=2,
        unmapped_role=24, back_dated=40, same_second=2_600, incomplete_deals=4, incomplete_with_project=2,
        incomplete_timecards=16, late_edit=20, deleted=12, rejected_billed=10, rejected_unbilled=10),
    "small": Scale(
        people=(3, 3, 3), customers=(2, 2, 2), time_material=(1, 1, 1), fixed_price=(0, 1, 0), milestone=(1, 0, 1),
        team=2, timecards=1_000, expenses=30, open_deals=2, lost_deals=2, second_projects=1, internal_timecards=9,
        july=6, negative=1, held_at_source=2, excluded_at_source=2, billed_at_source=3, hidden_people=1,
        unknown_person=3, closed_projects=1, closed_project=4, missing_rate_people=1, missing_rate=4,
        duplicate_accounts=1, wrong_entity=3, currency_mismatch=2, unmapped_assignments=1, unmapped_role=3,
        back_dated=4, same_second=550, incomplete_deals=2, incomplete_with_project=1, incomplete_timecards=3,
        late_edit=3, deleted=2, rejected_billed=2, rejected_unbilled=2),
    "tiny": Scale(
        people=(2, 2, 1), customers=(1, 2, 1), time_material=(1, 1, 0), fixed_price=(0, 1, 0), milestone=(0, 0, 1),
        team=1, timecards=80, expenses=6, open_deals=1, lost_deals=1, second_projects=0, internal_timecards=2, july=2,
        negative=1, held_at_source=1, excluded_at_source=1, billed_at_source=1, hidden_people=1, unknown_person=1,
        closed_projects=1, closed_project=1, missing_rate_people=1, missing_rate=1, duplicate_accounts=1,
        wrong_entity=1, currency_mismatch=1, unmapped_assignments=1, unmapped_role=1, back_dated=1, same_second=20,
        incomplete_deals=1, incomplete_with_project=1, incomplete_timecards=1, late_edit=1, deleted=1,
        rejected_billed=1, rejected_unbilled=1),
}
