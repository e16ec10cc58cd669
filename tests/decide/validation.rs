//! What the schema should have refused, and what else cannot be carried out (`InvalidSpec`).

use itcare_operator::decide::instance::{Invalid, validate};
use itcare_operator::model::{HostName, ServiceId, Size};

use crate::fixture::{Case, VM, spec};
use crate::table::{Row, message, table};

const ROWS: &[Row] = &[
    ("a whole spec goes on to the creation", |_| {}, "send Create"),
    ("an empty name", |case| case.spec.name = "  ".to_owned(), "Stalled InvalidSpec"),
    ("a service id of zero", |case| case.spec.service_id = 0, "Stalled InvalidSpec"),
    ("a negative service id", |case| case.spec.service_id = -13, "Stalled InvalidSpec"),
    ("no region", |case| case.spec.region = None, "Stalled InvalidSpec"),
    ("no platform", |case| case.spec.platform = None, "Stalled InvalidSpec"),
    ("no size", |case| case.spec.size = None, "Stalled InvalidSpec"),
    ("a size without units", |case| case.spec.size = Some("2x4".to_owned()), "Stalled InvalidSpec"),
    ("a size of nothing", |case| case.spec.size = Some("0cpu4gb".to_owned()), "Stalled InvalidSpec"),
    (
        "a size beyond all bounds",
        |case| case.spec.size = Some("9999999999cpu4gb".to_owned()),
        "Stalled InvalidSpec",
    ),
    (
        "an exclusion from patching without a reason",
        |case| case.spec.patching = serde_json::from_value(serde_json::json!({"excluded": true})).ok(),
        "Stalled InvalidSpec",
    ),
    (
        "a fourth patch group",
        |case| {
            case.spec.patching =
                serde_json::from_value(serde_json::json!({"excluded": false, "group": 4})).ok()
        },
        "Stalled InvalidSpec",
    ),
    (
        "a change reference of eleven characters",
        |case| case.spec.change_reference = Some("CHG12345678".to_owned()),
        "Stalled InvalidSpec",
    ),
    (
        "a change reference of ten characters that are more bytes is fine",
        |case| case.spec.change_reference = Some("ÉÉÉÉÉÉÉÉÉÉ".to_owned()),
        "send Create",
    ),
    (
        "with instanceId neither region nor platform nor size is needed",
        |case| {
            case.spec.instance_id = Some(VM.get());
            (case.spec.region, case.spec.platform, case.spec.size) = (None, None, None);
        },
        "read detail",
    ),
];

#[test]
fn what_cannot_be_carried_out_is_said_at_once() {
    table(Case::fresh, ROWS);
}

#[test]
fn the_message_names_the_field() {
    for (field, spoil) in [
        ("spec.serviceId", (|case: &mut Case| case.spec.service_id = 0) as fn(&mut Case)),
        ("spec.size", |case| case.spec.size = Some("big".to_owned())),
        ("spec.region", |case| case.spec.region = None),
    ] {
        let mut case = Case::fresh();
        spoil(&mut case);
        let text = message(&case.next());
        assert!(text.contains(field), "{field}: {text}");
    }
}

#[test]
fn an_invalid_spec_does_not_hold_up_a_deletion() {
    let mut case = Case::managed();
    case.deletes();
    case.spec.size = Some("big".to_owned());
    case.shows(|detail| detail.state = itcare_operator::model::InstanceState::Inactive);
    assert_eq!(case.says(), "send Delete");
}

#[test]
fn an_invalid_spec_does_not_hold_up_the_outcome_of_a_call() {
    // DESIGN 5.2: while an intent stands nothing else happens, and looking goes on.
    let mut case = Case::fresh();
    case.intends(itcare_operator::model::OperationKind::Create);
    case.spec.size = Some("big".to_owned());
    assert_eq!(case.says(), "read look");
}

#[test]
fn a_checked_spec_is_parsed() {
    let checked = validate(&spec()).expect("valid");
    assert_eq!(checked.name, HostName::new("pweb01"), "names compare without case");
    assert_eq!(checked.service, ServiceId::new(13));
    assert_eq!(checked.size, Some(Size { cpu: 2, memory_gb: 4 }));
    let mut bad = spec();
    bad.size = None;
    assert!(matches!(validate(&bad), Err(Invalid { field: "spec.size", .. })));
}
