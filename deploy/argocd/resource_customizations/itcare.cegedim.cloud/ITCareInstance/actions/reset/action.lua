-- Asks for one hard reset, now. There is no global os, and no string library.
-- Without "!" the time would be local; a second argument would make it local again.
local now = require("os").date("!%Y-%m-%dT%H:%M:%SZ")

local parameters = {}
if type(actionParams) == "table" then
  parameters = actionParams
end
local comment = "Reset in Argo CD"
if type(parameters["comment"]) == "string" and parameters["comment"] ~= "" then
  comment = parameters["comment"]
end

if type(obj.spec) ~= "table" then
  obj.spec = {}
end
-- A new table: the notAfter of an earlier request would end this one before it began.
obj.spec.reset = { ["requestedAt"] = now, ["comment"] = comment }
return obj
