-- forget: drops everything the registry knows of the resource.
-- uses: keys clock load state
-- Reply: done
state.forget()
return { 'done' }
