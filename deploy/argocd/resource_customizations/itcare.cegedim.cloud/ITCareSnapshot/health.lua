-- Status of this kind follows kstatus: observedGeneration, Reconciling, Stalled, Ready.
-- The text of both kinds is the same, and uses no library: scripts of argocd-cm have no `string`.

-- A field that is missing or of another type must give an answer too, and the message must be text:
-- anything else would be shown as no health at all.
local function fields(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local function text(value, otherwise)
  if type(value) == "string" and value ~= "" then
    return value
  end
  return otherwise
end

local metadata, spec, status = fields(obj.metadata), fields(obj.spec), fields(obj.status)

-- pairs, not ipairs: a hole in the list must not hide what comes after it. A map is no list.
local found = {}
for key, condition in pairs(fields(status.conditions)) do
  if type(key) == "number" and type(condition) == "table" and type(condition.type) == "string"
    and found[condition.type] == nil then
    found[condition.type] = condition
  end
end

local function holds(name)
  return found[name] ~= nil and found[name].status == "True"
end

local function message(name, otherwise)
  return text(fields(found[name]).message, otherwise)
end

-- -1 is the schema's default, before the first look. A deletion counts as a new generation.
local current = type(status.observedGeneration) == "number"
  and status.observedGeneration == metadata.generation

local suspended = "Suspended by spec.suspend: the operator makes no call"

if metadata.deletionTimestamp ~= nil then
  local verdict = { status = "Progressing", message = "Pending deletion" }
  if current and holds("Stalled") then
    verdict.status = "Degraded"
    verdict.message = message("Stalled", "The deletion is blocked")
  elseif spec.suspend == true then
    verdict.status = "Suspended"
    verdict.message = suspended
    if current then
      verdict.message = message("Reconciling", suspended)
    end
  elseif current then
    verdict.message = message("Reconciling", "Pending deletion")
  end
  verdict.deletionMessage = verdict.message
  return verdict
end

if spec.suspend == true then
  return { status = "Suspended", message = suspended }
end
if not current then
  return { status = "Progressing", message = "Waiting for the operator to look at the newest spec" }
end
if holds("Stalled") then
  return { status = "Degraded", message = message("Stalled", "Stalled: a person must act") }
end
if holds("Reconciling") then
  return { status = "Progressing", message = message("Reconciling", "Reconciling") }
end
if holds("Ready") then
  return { status = "Healthy", message = message("Ready", "Ready") }
end
return { status = "Progressing", message = message("Ready", "Waiting for the condition Ready") }
