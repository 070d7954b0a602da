-- forget: drops everything the registry knows of the resource.
-- Reply: done
local _, upgrade = enter()
if upgrade then return upgrade end
forget()
return { 'done' }
