"""Reading data sets: every fault at once, with row, column, reason and cure."""

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import DataError, NotFoundError, SolverError

GOOD = {
    "ID": [1, 1, 1, 2, 2],
    "TIME": [0, 0, 10, -5, 20],
    "EVID": [1, 0, 0, 1, 0],
    "AMT": [100, 0, 0, 50, 0],
    "CMT": [1, 2, 2, 2, 2],
}


def change(column, row, value):
    data = {name: list(cells) for name, cells in GOOD.items()}
    data.setdefault(column, [0] * 5)[row - 1] = value
    return data


def faults_of(data, system, **options):
    options.setdefault("cmt", {1: "sc", 2: "iv", 3: "level"})
    with pytest.raises(DataError) as caught:
        bp.read_nonmem(data, system, **options)
    return str(caught.value)


def test_a_good_table_runs(marker):
    runs = bp.read_nonmem(GOOD, marker, cmt={1: "sc", 2: "iv"})
    result = bp.simulate_records(runs)
    assert result["row"].values.tolist() == [2, 3, 5]
    assert result["central"].values[2] == pytest.approx(50 * np.exp(-0.05 * 25), rel=1e-7)
    assert result["depot"].values[0] == pytest.approx(50.0)  # F is 0.5


def test_rows_may_all_be_reported(marker):
    result = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"], rows="all"))
    assert result["row"].values.tolist() == [1, 2, 3, 4, 5]
    assert result["depot"].values[0] == pytest.approx(50.0)  # a dose row shows the state after the dose


def test_a_file_and_a_data_frame_say_the_same_as_a_dict(marker, tmp_path):
    import pandas as pd

    frame = pd.DataFrame(GOOD)
    text = frame.to_csv(index=False).replace(",0,2\n", ",.,2\n")
    path = tmp_path / "data.csv"
    path.write_text("# made for a test\n" + text.replace("ID,TIME", "id,Time"))
    expected = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"]))
    for source in (frame, path, str(path)):
        found = bp.simulate_records(bp.read_nonmem(source, marker, cmt=["sc", "iv"]))
        assert found.identical(expected)


def test_doses_and_observations_are_told_apart_without_evid(marker):
    data = {name: cells for name, cells in GOOD.items() if name != "EVID"}
    result = bp.simulate_records(bp.read_nonmem(data, marker, cmt=["sc", "iv"]))
    assert result["row"].values.tolist() == [2, 3, 5]


def test_compartments_by_name_in_the_data(marker):
    named = GOOD | {"CMT": ["sc", ".", ".", "iv", "."]}
    expected = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"]))
    assert bp.simulate_records(bp.read_nonmem(named, marker, cmt=["sc", "iv"])).equals(expected)


def test_a_state_stands_for_the_only_route_into_it(marker):
    by_route = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"]))
    by_state = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt={1: "depot", 2: "iv"}))
    assert by_state.equals(by_route)
    assert (
        "row 4 CMT: is 2, a state that several routes lead into; name the route in cmt: 'iv' or 'molar'"
        in faults_of(GOOD, marker, cmt={1: "depot", 2: "central"})
    )


def test_other_units_of_time_and_amount(marker):
    hours = GOOD | {"TIME": [24 * t for t in GOOD["TIME"]], "AMT": [a / 1000 for a in GOOD["AMT"]]}
    expected = bp.simulate_records(bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"]))
    read = bp.read_nonmem(hours, marker, cmt=["sc", "iv"], time_unit="hour", amount_unit="ug")
    found = bp.simulate_records(read)
    assert found["central"].values == pytest.approx(expected["central"].values, rel=1e-9)
    infused = {"ID": [1, 1], "TIME": [0, 48], "AMT": [4.8, 0], "RATE": [0.1, 0], "CMT": [1, 1]}
    result = bp.simulate_records(bp.read_nonmem(infused, marker, cmt=["iv"], time_unit="hour", amount_unit="ug"))
    assert result["central"].values == pytest.approx([2400 / 0.05 * (1 - np.exp(-0.1))], rel=1e-7)


def test_parameters_for_everyone_and_by_id(marker):
    runs = bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"])
    for_all = bp.simulate_records(runs, parameters={"k_elimination": 0.1})
    assert for_all["central"].values[2] == pytest.approx(50 * np.exp(-2.5), rel=1e-7)
    by_id = bp.simulate_records(runs, parameters={1: {"k_elimination": 0.1}})
    assert by_id["central"].values[2] == pytest.approx(50 * np.exp(-1.25), rel=1e-7)
    assert by_id["central"].values[1] == pytest.approx(for_all["central"].values[1])
    with pytest.raises(NotFoundError, match="parameter 'k_elim'"):
        bp.simulate_records(runs, parameters={"k_elim": 0.1})


def test_an_error_of_the_solver_names_the_subject(marker):
    runs = bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"])
    with pytest.raises(SolverError, match="ID 1, solver stopped at day"):
        bp.simulate_records(runs, max_steps=3)


@pytest.mark.parametrize(
    ("column", "row", "value", "text"),
    [
        ("EVID", 2, 7, "data row 2 EVID: is 7; 0 (observation), 1 (dose), 2 (other), 3 (reset) or 4"),
        ("EVID", 2, 0.5, "data row 2 EVID: is 0.5"),
        ("TIME", 3, -1, "data row 3 TIME: TIME -1 comes after 0 (row 2) for ID 1; sort by ID, TIME"),
        ("TIME", 3, ".", "data row 3 TIME: is missing; a number"),
        ("TIME", 3, float("nan"), "data row 3 TIME: is NaN; a number"),
        ("TIME", 3, "10:30", "data row 3 TIME: is '10:30'; a number"),
        ("TIME", 3, float("inf"), "data row 3 TIME: is inf; a finite number"),
        ("ID", 3, ".", "data row 3 ID: is missing"),
        ("AMT", 2, 5, "data row 2 AMT: is 5 on an observation; 0; set EVID to 1 for a dose, or AMT to 0"),
        ("AMT", 1, -5, "data row 1 AMT: is -5; a dose not below 0"),
        ("AMT", 1, "abc", "data row 1 AMT: is 'abc'; a number; write '.' for a missing value"),
        ("RATE", 1, -3, "data row 1 RATE: is -3; 0 (bolus), a rate above 0, -1 (modelled rate) or -2"),
        ("RATE", 1, -1, "data row 1 RATE: is -1 but 'sc' has no rate; add rate to the route in the model text"),
        ("RATE", 1, -2, "data row 1 RATE: is -2 but 'sc' has no duration; add duration to the route"),
        ("II", 1, 12, "data row 1 II: is 12 without ADDL or SS"),
        ("II", 1, -12, "data row 1 II: is -12; an interval not below 0"),
        ("ADDL", 1, 3, "data row 1 II: is 0 with ADDL=3; the interval between the doses; give II above 0"),
        ("ADDL", 1, -3, "data row 1 ADDL: is -3; a whole number not below 0"),
        ("ADDL", 1, 1.5, "data row 1 ADDL: is 1.5"),
        ("SS", 1, 1, "data row 1 II: is 0 with SS=1; the interval of the doses"),
        ("SS", 1, 3, "data row 1 SS: is 3; 0 (none), 1 (steady state) or 2"),
        ("CMT", 1, 9, "data row 1 CMT: is 9; one of 1,"),
        ("CMT", 1, -1, "data row 1 CMT: is -1 on a dose"),
        ("CMT", 1, "scc", "data row 1 CMT: is scc; one of 1,"),
    ],
)
def test_each_fault(marker, column, row, value, text):
    assert text in faults_of(change(column, row, value), marker)


def test_rate_without_an_amount(marker):
    data = GOOD | {"AMT": [0, 0, 0, 50, 0], "RATE": [10, 0, 0, 0, 0]}
    assert "data row 1 RATE: is 10 with AMT 0; an amount, or SS=1" in faults_of(data, marker)


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"RATE": -2}, "RATE: is -2 for a constant infusion; a rate above 0, or -1"),
        ({"RATE": 5, "II": 12}, "II: is 12 for a constant infusion (AMT 0 with SS); 0; give AMT for repeated doses"),
        ({"RATE": 5, "ADDL": 2}, "ADDL: is 2 for a constant infusion (AMT 0 with SS)"),
    ],
)
def test_constant_infusions(marker, extra, text):
    data = GOOD | {"AMT": [0, 0, 0, 50, 0], "SS": [1, 0, 0, 0, 0]}
    data |= {name: [value, 0, 0, 0, 0] for name, value in extra.items()}
    assert f"data row 1 {text}" in faults_of(data, marker)


def test_all_faults_of_a_table_come_at_once(marker):
    data = GOOD | {"AMT": [-1, 5, 0, "x", 0], "SS": [0, 0, 0, 9, 0], "II": [0, 0, 4, 0, 0]}
    text = faults_of(data, marker)
    for part in ("row 1 AMT", "row 2 AMT", "row 4 AMT", "row 4 SS", "row 3 II"):
        assert part in text


def test_the_same_fault_in_many_rows_is_counted(marker):
    data = {"ID": [1] * 500, "TIME": list(range(500)), "EVID": [0] * 500, "AMT": [3] * 500}
    with pytest.raises(DataError) as caught:
        bp.read_nonmem(data, marker)
    assert len(caught.value.faults) == 11
    assert "490 more rows have the same fault" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"TIME": [0], "AMT": [1]}, "data ID: no such column; the table has TIME, AMT"),
        (
            {"ID": [1], "TIMES": [0], "AMT": [1]},
            "data TIME: no such column; the table has ID, TIMES, AMT; did you mean",
        ),
        ({"ID": [1], "TIME": [0]}, "no column EVID and no column AMT"),
        ({"ID": [1], "TIME": [0, 1]}, "columns differ in length"),
        ({"ID": [], "TIME": [], "AMT": []}, "data: has no rows; one row a record"),
        (3.0, "data: a float; a path, a data frame or a dict of columns"),
    ],
)
def test_tables_that_cannot_be_read(marker, data, text):
    assert text in faults_of(data, marker)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("ID,TIME,AMT\n", "has no rows"),
        ("ID,TIME,AMT\n1,2\n1,2,3\n", "data row 1: 2 cells; 3 as in the header"),
        ("ID,TIME,TIME\n1,2,3\n", "column 'TIME' appears twice"),
    ],
)
def test_files_that_cannot_be_read(marker, tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert message in faults_of(path, marker)
    assert "cannot be read (No such file" in faults_of(tmp_path / "none.csv", marker)


def test_masses_into_moles_need_a_molar_mass(marker):
    data = GOOD | {"CMT": [3, 3, 3, 1, 3]}
    assert "data row 4 AMT: 50 pmol into 'sc' [ng] needs a molar mass; add molar_mass to the route" in faults_of(
        data, marker, cmt={1: "sc", 3: "molar"}, amount_unit="pmol"
    )


def test_cmt_names_are_checked(marker):
    text = faults_of(GOOD, marker, cmt={1: "sk", 2: "ivv"})
    assert "data CMT 1: 'sk' is no route or state of the model" in text
    assert "data CMT 2: 'ivv' is no route or state of the model; did you mean" in text


def test_covariates_are_checked(marker):
    data = GOOD | {"supplement": [0, 1, ".", 0, 1]}
    assert "data row 3 supplement: is missing; a number; fill it in" in faults_of(data, marker)
    data = GOOD | {"supplement": [0, 1, 1, 0, 1]}
    assert "covariate 'supplement': rule 'loc'; one of locf, nocb, linear; did you mean 'locf'" in faults_of(
        data, marker, covariate_rules="loc"
    )
    assert "covariate 'supplment': is no input of the model; did you mean 'supplement'" in faults_of(
        data, marker, covariate_rules={"supplment": "locf"}
    )
    assert "covariate 'supplement': is no column of the table" in faults_of(
        GOOD, marker, covariate_rules={"supplement": "locf"}
    )
    assert "rows: 'some'" in faults_of(GOOD, marker, rows="some")


def test_doses_without_observations_give_an_empty_result(marker):
    data = {"ID": [1], "TIME": [0], "AMT": [5.0], "CMT": [1]}
    assert bp.simulate_records(bp.read_nonmem(data, marker, cmt=["iv"])).sizes["record"] == 0


def test_the_native_engine_names_every_subject_that_stops(marker):
    runs = bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"])
    broken = {1: {"k_elimination": -1e6}, 2: {"k_elimination": -1e6}}  # grows out of range within a second
    with pytest.raises(SolverError) as caught:
        bp.simulate_records(runs, parameters=broken, engine="native")
    assert [str(f).split(",")[0] for f in caught.value.faults] == ["ID 1", "ID 2"]


def test_a_dose_must_say_its_amount_but_may_be_of_nothing(marker):
    assert "data row 1 AMT: is missing on a dose; an amount; write 0 for a dose of nothing" in faults_of(
        change("AMT", 1, "."), marker
    )
    without = {name: cells for name, cells in GOOD.items() if name != "AMT"}
    assert "data AMT: no such column; the table has ID, TIME, EVID, CMT" in faults_of(without, marker)
    placebo = GOOD | {"AMT": [0, 0, 0, 0, 0]}
    assert bp.simulate_records(bp.read_nonmem(placebo, marker, cmt=["sc", "iv"]))["central"].values.tolist() == [0] * 3
    constant = {"ID": [1, 1], "TIME": [0, 0], "EVID": [1, 0], "AMT": [".", "."], "RATE": [5, "."], "SS": [1, "."]}
    found = bp.simulate_records(bp.read_nonmem(constant, marker, cmt=["iv"]))
    assert found["central"].values == pytest.approx([5 / 0.05])


def test_a_cell_that_cannot_be_read_causes_no_second_fault(marker):
    bad = GOOD | {"TIME": [0, float("inf"), 10, -5, 20], "ADDL": ["x", 0, 0, 0, 0], "II": [12, 0, 0, 0, 0]}
    bad |= {"EVID": [1, 0, 0, "dose", 0]}
    assert len(faults_of(bad, marker).splitlines()) == 3


def test_a_compartment_that_is_not_a_number_or_not_known(marker):
    assert "data row 1 CMT: is NaN; a compartment; write '.' for the first one" in faults_of(
        change("CMT", 1, float("nan")), marker
    )
    off = GOOD | {"EVID": [1, 2, 0, 1, 0], "CMT": [1, -9, 2, 2, 2]}
    assert "data row 2 CMT: is -9; one of 1, sc, 2, iv, 3, level, with - to turn off" in faults_of(off, marker)


def test_columns_that_differ_only_by_case(marker):
    assert "data AMT: several columns of that name: AMT, amt" in faults_of(GOOD | {"amt": [0] * 5}, marker)


def test_lines_that_nonmem_would_ignore_with_at(marker, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("ID,TIME,AMT,CMT\nC,0,5,1\n1,0,100,2\n  x,1,2,3\n@1,0,1,1\n1,0,.,2\n")
    result = bp.simulate_records(bp.read_nonmem(path, marker, cmt=["sc", "iv"], ignore="@"))
    assert result["central"].values.tolist() == [100.0]


@pytest.mark.parametrize("separator", ["\t", ";", " "])
def test_other_separators_are_named(marker, tmp_path, separator):
    path = tmp_path / "data.csv"
    path.write_text("ID,TIME,AMT\n1,0,5\n".replace(",", separator))
    assert "comma-separated columns; separate the cells of every line by commas" in faults_of(path, marker)


def test_an_unknown_unit_of_time_is_a_fault_among_others(marker):
    text = faults_of(change("AMT", 1, -5), marker, time_unit="fortnight")
    assert "data time_unit: 'fortnight' is not known; second, minute, hour" in text
    assert "data row 1 AMT: is -5" in text


def test_cells_of_any_kind_give_faults_and_no_other_errors(marker):
    import pandas as pd

    frame = pd.DataFrame(GOOD)
    whole = frame.assign(CMT=pd.array([1, None, 2, 2, 2], dtype="Int64"))
    assert bp.simulate_records(bp.read_nonmem(whole, marker, cmt=["sc", "iv"])).sizes["record"] == 3
    no_route = frame.assign(CMT=pd.array([None, 1, 2, 2, 2], dtype="Int64"))
    assert "data row 1 CMT: is NaN" in faults_of(no_route, marker)
    assert "data row 1 ID: is missing" in faults_of(
        frame.assign(ID=pd.array([None, 1, 1, 2, 2], dtype="Int64")), marker
    )
    assert "data row 1 TIME: is '2020-01-01 00:00:00'; a number" in faults_of(
        frame.assign(TIME=pd.to_datetime(["2020-01-01"] * 5)), marker
    )
    assert "data row 1 CMT: is [1]; one of 1, sc" in faults_of(change("CMT", 1, [1]), marker)
    assert "data row 1 AMT: is inf; a finite number" in faults_of(change("AMT", 1, 10**400), marker)
    assert "data: column 'AMT' appears twice" in faults_of(pd.concat([frame, frame[["AMT"]]], axis=1), marker)


def test_values_for_an_id_that_is_not_there(marker):
    runs = bp.read_nonmem(GOOD, marker, cmt=["sc", "iv"])
    with pytest.raises(NotFoundError, match="parameters: ID 7; an ID of the data set"):
        bp.simulate_records(runs, parameters={7: {"k_elimination": 0.1}})
    with pytest.raises(NotFoundError, match="values by name beside values by ID"):
        bp.simulate_records(runs, parameters={1: {"k_elimination": 0.1}, "k_elimination": 0.2})


def test_a_rule_is_checked_without_covariates_too(marker):
    text = faults_of(GOOD, marker, covariate_rules="nocbb")
    assert "covariate_rules: 'nocbb'; one of locf, nocb, linear; did you mean 'nocb'" in text
