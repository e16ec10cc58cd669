-- Where Git declares powerState too, Argo CD sets it back: see the README of this folder's kit.
if type(obj.spec) ~= "table" then
  obj.spec = {}
end
obj.spec.powerState = "Stopped"
return obj
