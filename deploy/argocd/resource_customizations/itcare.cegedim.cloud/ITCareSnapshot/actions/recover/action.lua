-- Asks for one recovery, now. There is no global os, and no string library.
-- Without "!" the time would be local; a second argument would make it local again.
local now = require("os").date("!%Y-%m-%dT%H:%M:%SZ")

if type(obj.spec) ~= "table" then
  obj.spec = {}
end
-- A new table: the notAfter of an earlier request would end this one before it began.
obj.spec.recover = { ["requestedAt"] = now }
return obj
