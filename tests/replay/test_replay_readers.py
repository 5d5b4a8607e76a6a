"""Readers on small handmade files, and on the real ones."""

import datetime as dt
import itertools
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from app.crediting.schemas import ActivityReport
from app.replay.readers import FORMATS, BadRow, FileRefused, Trip, make_reader
from app.replay.readers.metro_map import normalise, read_map

BIKE = "ID,BID,UID,ST,DU,DS,EX,EY,ET_derived,SX,SY\n"
EV = "sessionId,kwhTotal,dollars,created,ended,userId,stationId\n"
TAPS = "deal_date,close_date,card_no,deal_value,deal_type,company_name,car_no,station,conn_mark,deal_money,equ_no\n"
MAP = (
    '{"Line1": {"id2name": [{"0": "罗湖", "1": "国贸", "2": "老街"}],'
    ' "center_gps": [{"0": [114.118, 22.532], "1": [114.118, 22.541], "2": [114.116, 22.545]}],'
    ' "(0,1)": {"dist": [0, 500.5, 1200.9]}, "(1,2)": {"dist": []}, "station_num": 3}, "Line_name": ["Line1"]}'
)


def read(tmp_path: Path, format_name: str, text: str | bytes, **options: Path | str) -> list[Trip | BadRow]:
    path = tmp_path / "file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(make_reader(format_name, **options).read(path))  # type: ignore[arg-type]


def tap(at: str, card: str, kind: str, station: str, gate: str = "268001137") -> str:
    return f'"2018-09-01 {at}","2018-09-01 00:00:00",{card},0,{kind},地铁一号线,IGT-1,{station},0,0,{gate}\n'


def test_bike_trip(tmp_path: Path) -> None:
    row = "1,79699,759,2016/8/31 23:58,9,867.6456730343506,121.525,31.316,x,121.52,31.309\n"
    (trip,) = read(tmp_path, "mobike", BIKE + row)
    assert isinstance(trip, Trip)
    body = trip.report()
    assert body["started_at"] == "2016-08-31T23:58:00+08:00"
    assert body["ended_at"] == "2016-09-01T00:07:00+08:00"
    assert body["distance_m"] == 867
    assert body["region"] == "310000"
    assert body["start"] == {"lng": 121.52, "lat": 31.309}
    ActivityReport.model_validate(
        body | {"started_at": trip.started_at, "ended_at": trip.ended_at}, strict=False
    )


def test_the_same_trip_by_any_way_of_writing_the_file_is_the_same_act(tmp_path: Path) -> None:
    plain = read(tmp_path, "mobike", BIKE + "7,1,2,2016/8/1 0:23,9,867.9,121.5,31.3,,,\n")
    for text in (
        "\ufeffDS;DU;ST;UID;BID;ID;EX;EY\r\n867.9;9;2016-08-01 00:23:00;2;1;7;121.5;31.3\r\n",
        'id,bid,uid,st,du,ds\n"7","1","2","2016/8/1 0:23","9","867.9"\n',
        "ID\tBID\tUID\tST\tDU\tDS\tEX\tEY\n7\t1\t2\t2016/08/01 00:23\t9\t867.9\n",
        (BIKE + "7,1,2,2016/8/1 0:23,9,867.9\n").encode("utf-16"),
        ("\n\n" + BIKE + "\n7,1,2,2016/8/1 0:23,9.0,8.679E+2,121.5,31.3"),
    ):
        (trip,) = read(tmp_path, "mobike", text)
        assert isinstance(trip, Trip)
        assert trip.report() == plain[0].report()  # type: ignore[union-attr]


def test_another_extract_counts_its_numbers_anew(tmp_path: Path) -> None:
    one = read(tmp_path, "mobike", BIKE + "1,1,2,2016/8/1 0:23,9,867\n")[0]
    other = read(tmp_path, "mobike", BIKE + "1,1,2,2016/9/1 0:23,9,867\n")[0]
    assert isinstance(one, Trip)
    assert isinstance(other, Trip)
    assert one.event_id != other.event_id
    assert one.order_no != other.order_no


def test_another_shift_is_another_event_and_the_same_order(tmp_path: Path) -> None:
    (trip,) = read(tmp_path, "mobike", BIKE + "1,1,2,2016/8/1 0:23,9,867\n")
    assert isinstance(trip, Trip)
    assert trip.report(3)["event_id"] != trip.report(4)["event_id"]
    assert trip.report(3)["order_no"] == trip.report(4)["order_no"]
    assert trip.report(1)["started_at"] == "2016-08-08T00:23:00+08:00"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,1,2,2016/8/1 0:23,0,867", "zero_duration"),
        ("1,1,2,2016/8/1 0:23,-4,867", "negative_du"),
        ("1,1,2,2016/8/1 0:23,9,", "missing_ds"),
        ("1,1,2,2016/8/1 0:23", "missing_du"),
        ("1,1,,2016/8/1 0:23,9,867", "missing_uid"),
        ("1,1,2,2016/13/1 0:23,9,867", "bad_st"),
        ("1,1,2,2016/8/1 25:23,9,867", "bad_st"),
        ("1,1,2,soon,9,867", "bad_st"),
        ("1,1,2,0016/8/1 0:23,9,867", "out_of_range_st"),
        ("1,1,2,2016/8/1 0:23,9,1E+3000000", "bad_ds"),
        ("1,1,2,2016/8/1 0:23,9,NaN", "missing_ds"),
        ("1,1,2,2016/8/1 0:23,9,-867", "negative_ds"),
        ("1,1,2,2016/8/1 0:23,99999999,867", "bad_du"),
        ("1,1,2,2016/8/1 0:23,9,867,121,31,,999,31", "bad_coordinate"),
        ("1,1,2,2016/8/1 0:23,9,867,121,31,,1,31,5,6", "too_many_columns"),
        ('1,1,"2,2016/8/1 0:23,9,867', "quoting"),
        ("1,1,2\x00,2016/8/1 0:23,9,867", "control_character"),
        ("1,1," + "2" * 70_000 + ",2016/8/1 0:23,9,867", "line_too_long"),
        ("1,1," + "2" * 61 + ",2016/8/1 0:23,9,867", "bad_uid"),
    ],
)
def test_a_bad_row_is_named_and_stops_nothing(tmp_path: Path, row: str, reason: str) -> None:
    good = "8,1,2,2016/8/1 0:23,9,867\n"
    rows = read(tmp_path, "mobike", BIKE + good + row + "\n" + good)
    assert [type(each) for each in rows] == [Trip, BadRow, Trip]
    assert rows[1] == BadRow((3,), reason)
    assert rows[2].lines == (4,)


def test_wrong_bytes_are_one_bad_row(tmp_path: Path) -> None:
    good = "8,1,张三,2016/8/1 0:23,9,867\n".encode()
    rows = read(tmp_path, "mobike", BIKE.encode() + good + b"9,1,\xff\xfe,2016/8/1 0:23,9,867\n" + good)
    assert rows[1] == BadRow((3,), "encoding")
    assert isinstance(rows[2], Trip)


def test_gb18030_is_read(tmp_path: Path) -> None:
    text = TAPS + tap("06:00:00", "AB", "地铁入站", "罗湖站")
    assert read(tmp_path, "szt", text.encode("gb18030")) == [BadRow((2,), "orphan_in")]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file.empty"),
        (b"\n\n", "file.empty"),
        (b"a,b,c\n1,2,3\n", "file.header"),
        (b"\x00\x01\x02\xff\xfe", "file.encoding"),
        (b"\xff\xfea", "file.encoding"),
    ],
)
def test_another_file_is_refused_clearly(tmp_path: Path, format_name: str, content: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(tmp_path, format_name, content)
    assert refused.value.code == code


@pytest.mark.parametrize(("format_name", "header"), [("mobike", BIKE), ("szt", TAPS), ("ev", EV)])
def test_a_header_alone_is_refused(tmp_path: Path, format_name: str, header: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(tmp_path, format_name, header)
    assert refused.value.code == "file.no_rows"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as refused:
        list(make_reader("ev").read(tmp_path / "none.csv"))
    assert refused.value.code == "file.unreadable"
    with pytest.raises(FileRefused):
        make_reader("xlsx")
    with pytest.raises(FileRefused) as refused:
        read(tmp_path, "mobike", "ID,UID,ST,DU,DS,uid\n1,2,2016/8/1 0:23,9,867,3\n")
    assert refused.value.code == "file.header"


def test_charging(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "ev",
        EV + "1366563,7.78,0,0014-11-18 15:40:26,0014-11-18 17:11:04,35897499,582873\n"
        "2,0,0,0014-11-18 15:40:26,0014-11-18 17:11:04,35,58\n"
        "3,7.1239,0,2014-11-18 15:40:26,2014-11-18 15:40:26,35,58\n"
        "4,7.1239,0,2014-11-18 15:40:26,2014-11-18 15:40:25,35,58\n",
    )
    assert isinstance(rows[0], Trip)
    body = rows[0].report()
    assert (body["energy_wh"], body["asset_id"]) == (7780, "582873")
    assert body["started_at"] == "2014-11-18T15:40:26+08:00"
    assert "distance_m" not in body
    assert [row.reason for row in rows[1:] if isinstance(row, BadRow)] == [
        "zero_energy",
        "zero_duration",
        "end_before_start",
    ]


def test_taps_become_a_trip(tmp_path: Path) -> None:
    stations = tmp_path / "shenzhen_Metro.json"
    stations.write_text(MAP, encoding="utf-8")
    rows = read(
        tmp_path,
        "szt",
        TAPS
        + tap("06:20:00", "AB", "地铁出站", "老街站", "268003101")
        + tap("06:00:00", "AB", "地铁入站", "罗湖", "268001101")
        + tap("06:00:00", "CD", "地铁入站", "-", "268001102")
        + tap("06:10:00", "CD", "地铁出站", " 国贸站", "268002101")
        + tap("06:10:00", "EF", "巴士", "M433(福永）", "227000169")
        + tap("06:30:00", "GH", "地铁入站", "罗湖", "268001101")
        + tap("06:40:00", "GH", "地铁出站", "罗湖", "268001103")
        + tap("06:50:00", "GH", "地铁充值", "罗湖", "268001103"),
    )
    trips = {row.user: row for row in rows if isinstance(row, Trip)}
    assert trips["CD"].distance_m == 1200
    assert trips["CD"].lines == (4, 5)
    # The second section has no track: its straight line counts.
    assert trips["AB"].distance_m == 1200 + 489
    assert {row.reason: row.lines for row in rows if isinstance(row, BadRow)} == {
        "bus_no_distance": (6,),
        "same_station": (7, 8),
        "unknown_deal_type": (9,),
    }


def test_taps_without_a_map_are_reported_as_such(tmp_path: Path) -> None:
    text = TAPS + tap("06:00:00", "AB", "地铁入站", "罗湖") + tap("06:09:00", "AB", "地铁出站", "国贸")
    assert read(tmp_path, "szt", text) == [BadRow((2, 3), "no_station_map")]
    stations = tmp_path / "stations.csv"
    stations.write_text("name,lat,lng\n罗湖站,22.532,114.118\n老街,22.545,114.116\n", encoding="utf-8")
    assert read(tmp_path, "szt", text, stations=stations) == [BadRow((2, 3), "station_not_on_map")]
    stations.write_text("lng,lat,name\n114.118,22.532,罗湖站\n114.118,22.541,国贸\n", encoding="utf-8")
    (trip,) = read(tmp_path, "szt", text, stations=stations)
    assert isinstance(trip, Trip)
    assert trip.distance_m == 1000
    stations.write_text('{"Line1": {"names": []}}', encoding="utf-8")
    with pytest.raises(FileRefused):
        read(tmp_path, "szt", text, stations=stations)


def test_all_real_bike_rows_go_through(data: Path) -> None:
    rows = list(make_reader("mobike").read(data / "bike" / "mobike_shanghai_2016-08-01_20.csv"))
    assert sorted(line for row in rows for line in row.lines) == list(range(2, 51_248 + 2))
    trips = [row for row in rows if isinstance(row, Trip)]
    assert len(trips) == 51_248
    assert len({trip.event_id for trip in trips}) == len(trips)
    assert sum(trip.start is None for trip in trips) == 43_294


def test_every_real_tap_is_told_of_once(data: Path) -> None:
    path = data / "metro" / "shenzhen_tong_taps_2018-08-31.csv"
    reader = make_reader("szt")
    rows = list(reader.read(path))
    assert sorted(line for row in rows for line in row.lines) == list(range(2, 10_002))
    reasons = Counter(row.reason for row in rows if isinstance(row, BadRow))
    assert not reasons.keys() & {"no_station_map", "station_not_on_map", "unknown_deal_type", "encoding"}
    assert reasons["bus_no_distance"] == 205
    by_card: dict[str, list[Trip]] = defaultdict(list)
    for row in rows:
        if isinstance(row, Trip):
            by_card[row.user].append(row)
            assert row.distance_m is not None
            seconds = (row.ended_at - row.started_at) // dt.timedelta(seconds=1)
            assert 0 < row.distance_m * 36 < seconds * 120 * 10, "faster than 120 km/h"
    assert sum(map(len, by_card.values())) == 146
    for trips in by_card.values():
        trips.sort(key=lambda trip: trip.started_at)
        assert all(one.ended_at <= other.started_at for one, other in itertools.pairwise(trips))
    assert any("put in order of time" in note for note in reader.notes)


def test_real_taps_in_another_order_of_rows_and_columns_are_the_same_trips(
    data: Path, tmp_path: Path
) -> None:
    lines = (data / "metro" / "shenzhen_tong_taps_2018-08-31.csv").read_text(encoding="utf-8").splitlines()
    cells = [line.replace('"', "").split(",")[::-1] for line in (lines[0], *lines[:0:-1])]
    text = "\n".join(",".join(row) for row in cells)
    stations = data / "metro" / "shenzhen_Metro.json"
    turned = read(tmp_path, "szt", text, stations=stations)
    straight = make_reader("szt", stations=stations).read(
        data / "metro" / "shenzhen_tong_taps_2018-08-31.csv"
    )
    assert {row.event_id for row in turned if isinstance(row, Trip)} == {
        row.event_id for row in straight if isinstance(row, Trip)
    }


def test_real_charging_sessions(data: Path) -> None:
    rows = list(make_reader("ev").read(data / "energy" / "ev_workplace_sessions.csv"))
    assert len(rows) == 3_395
    assert Counter(row.reason for row in rows if isinstance(row, BadRow)) == {"zero_energy": 55}
    assert {row.started_at.year for row in rows if isinstance(row, Trip)} == {2014, 2015}


def test_real_maps(data: Path) -> None:
    shenzhen = read_map(data / "metro" / "shenzhen_Metro.json")
    assert shenzhen.is_network
    assert shenzhen.distance_m("罗湖", "罗湖") == 0
    # Two ends of line 1 of its time, some 40 km of track; the shortest way is not longer.
    far = shenzhen.distance_m("罗湖", "机场东")
    assert far is not None
    assert 28_000 < far < 41_000
    assert far == shenzhen.distance_m("机场东", "罗湖")
    shanghai = read_map(data / "metro" / "sh_subway_wgs.csv")
    assert not shanghai.is_network
    assert normalise("三林站") in shanghai
    assert shanghai.distance_m("三林", "三林东") == 1098
