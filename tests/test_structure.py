"""Limits on the size of things, as benchmarks/structure.py measures them."""

from benchmarks.structure import measure


def test_no_file_function_or_folder_is_too_large_to_take_in_and_every_class_has_a_name_of_its_own() -> None:
    structure = measure()
    assert structure.longest_file[0] <= 300
    assert structure.longest_function[0] <= 40
    assert structure.most_parameters[0] <= 6
    assert structure.largest_folder[0] <= 15
    assert structure.fillers <= 300
    assert structure.repeated_classes == ()
