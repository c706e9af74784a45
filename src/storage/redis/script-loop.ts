/** What the functions for what is not plain do with a request: see `script-requests.ts`. */
export const carryScript = `
local function carryOut(operation, uses, at)
  local list = {}
  for index = 1, uses do list[index] = readUse() end
  if operation == 0 then
    take(list, true)
  elseif operation == 1 then
    take(list, false)
  elseif operation == 2 then
    settle(list, at)
  elseif operation == 3 then
    reset(list)
  elseif operation == 4 then
    add(0)
    -- Of none: whether anything could be counted, which a Redis that is full answers by refusing.
    if uses == 0 then call('SET', keys[1], ARGV[1]) end
    for _, u in ipairs(list) do holdLeases(u, 1) end
  elseif operation == 5 then
    install(list[1])
  elseif operation == 6 then
    raise(list[1], at)
  elseif operation == 7 then
    addSnapshots(5, list, { 1 })
  end
end

return carryOut, takeAfterAll, save
`

/** Goes through the requests. The functions for what is not plain are made when they are needed. */
export const loopScript = `
local carryOut, takeAfterAll, save
for _ = 1, requests do
  local operation, uses = byte(blob, position, position + 1)
  position = position + 2
  local isPlain, first = operation == 8, position
  if isPlain and fitPlainly(uses) then
    takePlainly(uses)
  else
    if not save then carryOut, takeAfterAll, save = prepareOthers() end
    if isPlain then
      takeAfterAll(uses, first)
    else
      local at
      at, position = read('<d', blob, position)
      carryOut(operation, uses, at)
    end
  end
end
savePlain()
if save then save() end
return out
`
