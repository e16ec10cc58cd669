-- Which buttons an ITCareInstance offers. A button is disabled where the click would do nothing.

local function fields(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local metadata, spec, status = fields(obj.metadata), fields(obj.spec), fields(obj.status)

-- The operator makes no changing call for such an object.
local idle = spec.suspend == true
  or spec.managementPolicy == "Observe"
  or metadata.deletionTimestamp ~= nil

-- What the spec asks for counts; where it leaves power alone, what is observed.
local power = spec.powerState or status.powerState

local actions = {}

actions["start"] = {
  ["displayName"] = "Start",
  ["iconClass"] = "fa fa-fw fa-play",
  ["disabled"] = idle or power == "Running",
}
actions["stop"] = {
  ["displayName"] = "Stop",
  ["iconClass"] = "fa fa-fw fa-stop",
  ["disabled"] = idle or power == "Stopped",
}
actions["reset"] = {
  ["displayName"] = "Hard reset (data loss is possible)",
  ["iconClass"] = "fa fa-fw fa-bolt",
  ["disabled"] = idle or status.powerState ~= "Running" or spec.powerState == "Stopped",
  ["params"] = { { ["name"] = "comment", ["default"] = "Reset in Argo CD" } },
}
-- ITCare has one slot for each VM: while it is taken a new snapshot would only fail.
actions["snapshot"] = {
  ["displayName"] = "Take a snapshot",
  ["iconClass"] = "fa fa-fw fa-camera",
  ["disabled"] = idle or status.id == nil or status.snapshot ~= nil,
  ["params"] = { { ["name"] = "description", ["default"] = "Taken in Argo CD" } },
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
