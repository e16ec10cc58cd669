-- Creates an ITCareSnapshot of this VM.
--
-- It gets no tracking label or annotation: Argo CD would prune what is not in Git. It gets no
-- ownerReference: the deletion of the VM's object would delete the snapshot with it.

local parameters = {}
if type(actionParams) == "table" then
  parameters = actionParams
end
local description = "Taken in Argo CD"
if type(parameters["description"]) == "string" and parameters["description"] ~= "" then
  description = parameters["description"]
end

local name = obj.metadata.name

-- The API server shortens a long prefix by itself, but accepts none of more than 253 characters.
local prefix = name
if #name < 253 then
  prefix = name .. "-"
end

local metadata = { ["generateName"] = prefix, ["namespace"] = obj.metadata.namespace }
-- A label's value ends at 63 characters, and an empty table would become a list.
if #name <= 63 then
  metadata["labels"] = { ["itcare.cegedim.cloud/instance"] = name }
end

local spec = {
  ["instanceRef"] = { ["name"] = name },
  ["description"] = description,
  -- Who clicks wants to know at once that the VM's only slot is taken.
  ["onSlotTaken"] = "Fail",
}
if type(obj.spec) == "table" and type(obj.spec.changeReference) == "string" then
  spec["changeReference"] = obj.spec.changeReference
end

local snapshot = {
  ["apiVersion"] = "itcare.cegedim.cloud/v1alpha1",
  ["kind"] = "ITCareSnapshot",
  ["metadata"] = metadata,
  ["spec"] = spec,
}
return { { ["operation"] = "create", ["resource"] = snapshot } }
