-- Which buttons an ITCareSnapshot offers. A button is disabled where the click would do nothing.

local function fields(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local metadata, spec, status = fields(obj.metadata), fields(obj.spec), fields(obj.status)

-- Ready alone may mean Expired or Skipped; Available says that it can be recovered now.
local available = false
for _, condition in pairs(fields(status.conditions)) do
  if type(condition) == "table" and condition.type == "Available" and condition.status == "True" then
    available = true
  end
end

local actions = {}

actions["recover"] = {
  ["displayName"] = "Go back to this snapshot (what changed since is lost)",
  ["iconClass"] = "fa fa-fw fa-history",
  ["disabled"] = spec.suspend == true or metadata.deletionTimestamp ~= nil or not available,
}
-- While an object is being deleted too: suspending holds the deletion back, resuming lets it go on.
actions["suspend"] = {
  ["displayName"] = "Suspend the operator",
  ["iconClass"] = "fa fa-fw fa-pause",
  ["disabled"] = spec.suspend == true,
}
actions["resume"] = {
  ["displayName"] = "Resume the operator",
  ["iconClass"] = "fa fa-fw fa-forward",
  ["disabled"] = spec.suspend ~= true,
}

return actions
