"""How the lanes of the group dot product make up every zero point."""

from consilico.hw.matmul.group_lanes import OFFSETS, passes


def test_passes_make_up_every_weight_from_digits_of_two() -> None:
    for zero in range(16):
        for code in range(16):
            parts = [
                (code if plan.codes is None else plan.codes) - plan.offset for plan in passes(zero)
            ]
            assert sum(parts) == code - zero
            assert all(abs(part) <= 10 for part in parts)
            assert all(plan.offset in OFFSETS for plan in passes(zero))


def test_usual_zero_points_need_one_pass() -> None:
    assert [zero for zero in range(16) if len(passes(zero)) == 1] == [5, 6, 7, 8, 9, 10]
