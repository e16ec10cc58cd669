//! A Lua 5.1 as Argo CD gives it to scripts of `argocd-cm`: the base functions, `table`, and an `os` that has to
//! be required. There is no `string`, not even behind a text.
//!
//! Objects go in and come out as Argo CD converts them: `null` is nil, an empty table is a list, and a table
//! that appears twice is an error. Not here: which script is run, and what its answer means.

use std::cell::RefCell;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Map, Number, Value};

/// Where these tests are "local": far from UTC, so that a missing `!` shows.
const LOCAL: i8 = 5;

thread_local! {
    /// What `os.date` shows: set by the caller of a script.
    static NOW: RefCell<Timestamp> = const { RefCell::new(Timestamp::UNIX_EPOCH) };
}

/// Runs a script over an object; the answer is JSON, or the reason why Argo CD would not take it.
pub fn run(script: &str, object: &Value, parameters: &Value, now: Timestamp) -> Result<Value, String> {
    NOW.with_borrow_mut(|clock| *clock = now);
    evaluate(script, object, parameters).map_err(|error| error.to_string())?
}

fn evaluate(script: &str, object: &Value, parameters: &Value) -> mlua::Result<Result<Value, String>> {
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default())?;
    let required = lua.create_function(|lua, name: String| {
        if name != "os" {
            return Err(mlua::Error::runtime(format!("module {name} not found")));
        }
        let os = lua.create_table()?;
        os.set("date", lua.create_function(|_, (format, when): (String, Option<i64>)| date(&format, when))?)?;
        os.set("time", lua.create_function(|_, ()| Ok(NOW.with_borrow(|now| now.as_second())))?)?;
        Ok(os)
    })?;
    lua.globals().set("require", required)?;
    lua.globals().set("obj", to_lua(&lua, object)?)?;
    if !parameters.is_null() {
        lua.globals().set("actionParams", to_lua(&lua, parameters)?)?;
    }
    let answer: LuaValue = lua.load(script).eval()?;
    Ok(match answer {
        LuaValue::Table(table) => from_table(&table, &mut BTreeSet::new()),
        other => Err(format!("expect table output from Lua script, not {}", other.type_name())),
    })
}

/// With a time of its own, `os.date` forgets `!`: it is local then.
fn date(format: &str, when: Option<i64>) -> mlua::Result<String> {
    let (utc, format) = match format.strip_prefix('!') {
        Some(rest) => (when.is_none(), rest),
        None => (false, format),
    };
    let moment = match when {
        Some(second) => Timestamp::from_second(second).map_err(mlua::Error::external)?,
        None => NOW.with_borrow(|now| *now),
    };
    let zone = if utc { TimeZone::UTC } else { TimeZone::fixed(Offset::constant(LOCAL)) };
    let known = ["%Y", "%m", "%d", "%H", "%M", "%S"];
    let unknown =
        format.split('%').skip(1).find(|rest| !known.iter().any(|flag| rest.starts_with(&flag[1..])));
    match unknown {
        Some(rest) => Err(mlua::Error::runtime(format!("os.date of these tests does not know %{rest}"))),
        None => Ok(moment.to_zoned(zone).strftime(format).to_string()),
    }
}

fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(flag) => LuaValue::Boolean(*flag),
        Value::Number(number) => LuaValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table()?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(fields) => {
            let table = lua.create_table()?;
            for (key, item) in fields {
                table.raw_set(key.as_str(), to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

fn from_lua(value: &LuaValue, seen: &mut BTreeSet<usize>) -> Result<Value, String> {
    match value {
        LuaValue::Nil => Ok(Value::Null),
        LuaValue::Boolean(flag) => Ok(Value::Bool(*flag)),
        LuaValue::Integer(number) => Ok(Value::from(*number)),
        #[expect(clippy::cast_possible_truncation, reason = "only whole numbers in range are cast")]
        LuaValue::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Ok(Value::from(*number as i64))
        }
        LuaValue::Number(number) => {
            Number::from_f64(*number).map(Value::Number).ok_or_else(|| format!("{number} is no JSON"))
        }
        LuaValue::String(text) => Ok(Value::String(text.to_string_lossy())),
        LuaValue::Table(table) => from_table(table, seen),
        other => Err(format!("cannot encode {} to JSON", other.type_name())),
    }
}

fn from_table(table: &Table, seen: &mut BTreeSet<usize>) -> Result<Value, String> {
    if !seen.insert(table.to_pointer() as usize) {
        return Err("cannot encode recursively nested tables to JSON".to_owned());
    }
    let mut items: Vec<(i64, Value)> = Vec::new();
    let mut fields = Map::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let value = from_lua(&value, seen)?;
        match key {
            LuaValue::Integer(index) => items.push((index, value)),
            LuaValue::String(name) => {
                fields.insert(name.to_string_lossy(), value);
            }
            other => return Err(format!("cannot encode a key of type {}", other.type_name())),
        }
    }
    if fields.is_empty() {
        items.sort_by_key(|(index, _)| *index);
        let dense = items.iter().zip(1..).all(|((index, _), expected)| *index == expected);
        let list = items.into_iter().map(|(_, value)| value).collect();
        return if dense { Ok(Value::Array(list)) } else { Err("cannot encode sparse array".to_owned()) };
    }
    if items.is_empty() { Ok(Value::Object(fields)) } else { Err("cannot encode mixed keys".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(script: &str) -> Result<Value, String> {
        let now = "2026-01-02T03:04:05Z".parse().expect("a time");
        run(script, &json!({"n": 5_220_149, "list": [1, null], "empty": {}}), &Value::Null, now)
    }

    #[test]
    fn there_is_no_string_library_and_no_global_os() {
        for script in [
            "return {string.upper('x')}",
            "return {('x'):upper()}",
            "return {os.date('!%Y')}",
            "return {math.huge}",
        ] {
            assert!(answer(script).is_err(), "{script}");
        }
        assert_eq!(answer("return {#'four'}"), Ok(json!([4])));
    }

    #[test]
    fn the_required_os_is_local_unless_told_otherwise() {
        let date = |call: &str| answer(&format!("return {{require('os').date({call})}}"));
        assert_eq!(date("'!%Y-%m-%dT%H:%M:%SZ'"), Ok(json!(["2026-01-02T03:04:05Z"])));
        assert_eq!(date("'%H'"), Ok(json!(["08"])));
        assert_eq!(date("'!%H', 0"), Ok(json!(["05"])), "a time of its own is never UTC");
        assert!(date("'%c'").is_err());
        assert!(answer("return {require('string')}").is_err());
    }

    #[test]
    fn tables_come_out_as_argo_cd_encodes_them() {
        assert_eq!(answer("return obj"), Ok(json!({"n": 5_220_149, "list": [1], "empty": []})));
        assert!(answer("local t = {} return {t, t}").unwrap_err().contains("nested"));
        assert!(answer("return {[1] = 1, [3] = 3}").unwrap_err().contains("sparse"));
        assert!(answer("return nil").unwrap_err().contains("not nil"));
        assert_eq!(answer("return {actionParams == nil}"), Ok(json!([true])));
    }
}
