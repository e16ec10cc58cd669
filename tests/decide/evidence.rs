//! Which action may come of our call (DESIGN 5.2, step 5), clause by clause.

use itcare_operator::decide::evidence::{is_late, may_be_made_by, may_still_act, possibly_ours};
use itcare_operator::model::{Action, ActionId, ActionStatus, Fence, HostName, Listed, OperationKind};

use crate::fixture::{FENCE_ACTION, NAME, SEND_WINDOW, US, action, intent, site, twin, wall_at};

/// An action that may be ours, just after the fence of [`intent`], which lies ten minutes back.
fn ours() -> Action {
    Action { submitted_at: Some(wall_at(-590)), ..action() }
}

#[test]
fn an_action_is_possibly_ours_unless_something_speaks_against_it() {
    let past_window = i64::try_from(SEND_WINDOW.as_secs()).expect("short") + 300;
    let rows: Vec<(&str, Action, bool)> = vec![
        ("just after the fence", ours(), true),
        ("in another case", Action { resource_name: Some(NAME.to_lowercase()), ..ours() }, true),
        ("on another name", Action { resource_name: Some("PWEB02".to_owned()), ..ours() }, false),
        ("on no name", Action { resource_name: None, ..ours() }, false),
        ("with the id of the fence", Action { id: FENCE_ACTION, ..ours() }, false),
        ("with the next id", Action { id: ActionId::new(FENCE_ACTION.get() + 1), ..ours() }, true),
        ("with an older id", Action { id: ActionId::new(FENCE_ACTION.get() - 1), ..ours() }, false),
        ("in the second of the fence", Action { submitted_at: Some(wall_at(-600)), ..ours() }, true),
        (
            "a second before, for clocks of whole seconds",
            Action { submitted_at: Some(wall_at(-601)), ..ours() },
            true,
        ),
        ("half a minute before: two clocks", Action { submitted_at: Some(wall_at(-630)), ..ours() }, true),
        ("before that: somebody made it", Action { submitted_at: Some(wall_at(-631)), ..ours() }, false),
        ("long before", Action { submitted_at: Some(wall_at(-1000)), ..ours() }, false),
        (
            "at the end of the send window and five minutes",
            Action { submitted_at: Some(wall_at(past_window - 600)), ..ours() },
            true,
        ),
        ("after that", Action { submitted_at: Some(wall_at(past_window - 599)), ..ours() }, false),
        ("without a date", Action { submitted_at: None, ..ours() }, true),
        ("without a submitter", Action { submitted_by: None, ..ours() }, true),
        ("of somebody else", Action { submitted_by: Some("alice".to_owned()), ..ours() }, false),
        (
            "of a process that nobody knows",
            Action { process: Some("vm_new_thing".to_owned()), ..ours() },
            true,
        ),
        (
            "of a process known from replies to be another kind",
            Action { process: Some("vm_resize".to_owned()), ..ours() },
            false,
        ),
        (
            "of a process documented to be another kind",
            Action { process: Some("vm_delete_snapshot".to_owned()), ..ours() },
            false,
        ),
    ];
    for (sentence, action, expected) in rows {
        let found = possibly_ours(&action, &intent(OperationKind::Create), &HostName::new(NAME), &site());
        assert_eq!(found, expected, "{sentence}: {action:?}");
    }
}

#[test]
fn nobody_is_somebody_else_before_our_own_name_is_known() {
    let mut site = site();
    site.submitter = None;
    let action = Action { submitted_by: Some("alice".to_owned()), ..ours() };
    assert!(possibly_ours(&action, &intent(OperationKind::Create), &HostName::new(NAME), &site));
}

#[test]
fn a_documented_process_is_of_its_own_kind() {
    let action = Action { process: Some("vm_create_snapshot".to_owned()), ..ours() };
    for (kind, expected) in
        [(OperationKind::TakeSnapshot, true), (OperationKind::Recover, false), (OperationKind::Reset, false)]
    {
        assert_eq!(possibly_ours(&action, &intent(kind), &HostName::new(NAME), &site()), expected, "{kind}");
    }
}

#[test]
fn a_fence_that_lacks_a_half_excludes_only_by_the_other() {
    let name = HostName::new(NAME);
    let mut no_date = intent(OperationKind::Create);
    no_date.fence = Fence { date: None, action: Some(FENCE_ACTION) };
    let ancient = Action { submitted_at: Some(wall_at(-90_000)), ..ours() };
    assert!(possibly_ours(&ancient, &no_date, &name, &site()), "no date: the id alone decides");
    assert!(!possibly_ours(&Action { id: FENCE_ACTION, ..ours() }, &no_date, &name, &site()));
    let mut no_id = intent(OperationKind::Create);
    no_id.fence.action = None;
    assert!(possibly_ours(&Action { id: ActionId::new(1), ..ours() }, &no_id, &name, &site()));
    assert!(!possibly_ours(&ancient, &no_id, &name, &site()));
}

#[test]
fn a_vm_may_be_of_our_making_unless_its_birth_contradicts() {
    let intent = intent(OperationKind::Create);
    let vm = |at: Option<i64>, by: Option<&str>| Listed {
        created_at: at.map(wall_at),
        created_by: by.map(str::to_owned),
        ..twin()
    };
    for (sentence, item, expected) in [
        ("made after the fence, by us", vm(Some(-590), Some(US)), true),
        ("made at a time that is not told", vm(None, Some(US)), true),
        ("made by nobody knows whom", vm(Some(-590), None), true),
        ("made by somebody else", vm(Some(-590), Some("alice")), false),
        ("made half a minute before the fence: two clocks", vm(Some(-630), Some(US)), true),
        ("made before that", vm(Some(-631), Some(US)), false),
        ("made long before the fence", vm(Some(-3600), Some(US)), false),
        ("made a day after the fence", vm(Some(-600 + 24 * 3600), Some(US)), true),
        ("made later than that: ours was renamed", vm(Some(-599 + 24 * 3600), None), false),
    ] {
        assert_eq!(may_be_made_by(&item, &intent, None, &site()), expected, "{sentence}");
    }
    let end = Some(wall_at(-100));
    for (sentence, item, expected) in [
        ("made five minutes after the end of our action", vm(Some(200), None), true),
        ("made later than that", vm(Some(201), None), false),
        ("made before the fence, whenever our action ended", vm(Some(-631), None), false),
    ] {
        assert_eq!(may_be_made_by(&item, &intent, end, &site()), expected, "{sentence}");
    }
    for (made, late) in [(None, false), (Some(-300), false), (Some(-299), true)] {
        assert_eq!(is_late(&vm(made, None), &intent), late, "made at {made:?}");
    }
}

#[test]
fn an_action_may_still_act_while_it_runs_or_nobody_knows() {
    let odd = || ActionStatus::Other("PAUSED".to_owned());
    for (sentence, action, expected) in [
        ("it runs", ours(), true),
        ("it runs, and was there before the call", Action { id: FENCE_ACTION, ..ours() }, true),
        ("it ended well", Action { status: ActionStatus::Success, ..ours() }, false),
        ("it failed", Action { status: ActionStatus::Error, ..ours() }, false),
        ("a status that nobody knows", Action { status: odd(), ..ours() }, true),
        ("one that ended", Action { status: odd(), completed_at: Some(wall_at(-500)), ..ours() }, false),
        ("one that was there before the call", Action { status: odd(), id: FENCE_ACTION, ..ours() }, false),
    ] {
        assert_eq!(may_still_act(&action, &intent(OperationKind::Reset)), expected, "{sentence}");
    }
}
