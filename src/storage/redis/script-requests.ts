/**
 * The part of the script that answers a call's requests, in order. A request: `operation u8, uses
 * u8, moment f64`, then for each use `cell u16, kind u8, amount f64, span f64, cost f64, taken
 * f64`. The kind's bits: 0 to 3 window, span or at once; 8 shadow; 16 kept; 32 of an address; 64
 * forced. A span is the window in milliseconds, 1 for a month and 0 for a day, or the number of a
 * lease.
 *
 * Operation 8 takes plain windows: see `script-plain.ts`.
 */
export const requestScript = `
local function add(value)
  answered = answered + 1
  out[answered] = value
end

local function readUse()
  local u = {}
  local kind
  u.key, kind, u.amount, u.span, u.cost, u.taken, position = read('<HBdddd', blob, position)
  if kind >= 64 then
    u.forced = true
    kind = kind - 64
  end
  if kind >= 32 then
    u.ofAddress = true
    kind = kind - 32
  end
  if kind >= 16 then
    u.kept = true
    kind = kind - 16
  end
  if kind >= 8 then
    u.shadow = true
    kind = kind - 8
  end
  u.kind = kind
  return u
end

-- Until when a use is not counted, after the limiter has forgotten; 0: it is.
local function closedUntil(u)
  if began == 0 or u.shadow then return 0 end
  if u.kind == isAtOnce then return began + 2000 end
  if u.kind == isWindow and u.span < 3600000 then return began + u.span end
  return 0
end

-- Whether a cost fits, and when.
local function roomOf(u, cost)
  if u.kind == isAtOnce then return cost == 0 or leasesOf(u).used + cost <= u.amount, -2 end
  if u.kind == isWindow then return windowRoom(cellOf(u), u.amount, u.span, steady, cost) end
  return spanRoom(cellOf(u), u.amount, cost, steady, wall)
end

local function addStates(uses)
  for _, u in ipairs(uses) do
    local used, frees
    if u.kind == isAtOnce then
      used, frees = leasesOf(u).used, 0
    elseif u.kind == isWindow then
      local cell = cellOf(u)
      _, frees = windowRoom(cell, u.amount, u.span, steady, 0)
      used = cell.total
    else
      local cell = cellOf(u)
      _, frees = spanRoom(cell, u.amount, 0, steady, wall)
      used = cell.used
    end
    add(max(0, u.amount - used))
    add(frees)
  end
end

-- What a node has to write, a snapshot of each: before these can be counted (2), or after (5).
local function addSnapshots(code, uses, lacking)
  add(code)
  add(#lacking)
  for _, index in ipairs(lacking) do
    local u = uses[index]
    local cell = cellOf(u)
    add(index - 1)
    if cell then
      add(coreBytes(u, cell))
      add(cell.spare)
      add(cell.version)
      add(cell.total or cell.used)
    else
      add('')
      add(0)
      add(0)
      add(0)
    end
  end
end

local function missingOf(uses)
  local missing
  for index, u in ipairs(uses) do
    if u.kept and not u.forced and not cellOf(u) then
      missing = missing or {}
      missing[#missing + 1] = index
    end
  end
  return missing
end

-- A row that was not written for longer may be deleted.
local spareMs = 30 * dayMs

local function lackingOf(uses, costOf)
  local lacking
  for index, u in ipairs(uses) do
    if u.kept and not u.forced and not u.skips then
      local cost = costOf(u)
      local cell = cellOf(u)
      if cost > 0 and (cell.spare < cost or steady - cell.raised > spareMs) then
        lacking = lacking or {}
        lacking[#lacking + 1] = index
      end
    end
  end
  return lacking
end

local function takenCost(u)
  return u.cost
end

local function countUse(u)
  if u.cost == 0 then return end
  if u.kind == isAtOnce then
    holdLeases(u, u.cost)
    return
  end
  local cell = cellOf(u)
  if u.kind == isWindow then count(cell, u.cost) else cell.used = cell.used + u.cost end
  if cell.spare then cell.spare = cell.spare - u.cost end
  dirty[u.key] = u
end

local function take(uses, isCounting)
  local closed = 0
  for _, u in ipairs(uses) do closed = max(closed, closedUntil(u)) end
  if closed > steady then
    add(3)
    add(closed - steady)
    return
  end
  local missing = missingOf(uses)
  if missing then return addSnapshots(2, uses, missing) end
  local refusing, latest, shadows, before = nil, 0, {}, {}
  for index, u in ipairs(uses) do
    local fits, frees = roomOf(u, u.cost + (before[u.key] or 0))
    if fits then
      before[u.key] = (before[u.key] or 0) + u.cost
    elseif u.shadow then
      u.skips = true
      shadows[#shadows + 1] = index - 1
      shadows[#shadows + 1] = frees
    else
      local order = frees
      if frees == -1 then order = math.huge elseif frees == -2 then order = 0 end
      if not refusing or order > latest then
        refusing, latest = { index - 1, frees }, order
      end
    end
  end
  if isCounting and not refusing then
    local lacking = lackingOf(uses, takenCost)
    if lacking then return addSnapshots(2, uses, lacking) end
    for _, u in ipairs(uses) do
      if not u.skips then countUse(u) end
    end
  end
  if refusing then
    add(1)
    add(refusing[1])
    add(refusing[2])
  else
    add(0)
  end
  add(#shadows / 2)
  for _, value in ipairs(shadows) do add(value) end
  addStates(uses)
end

local function moreThanTaken(u)
  return u.cost - u.taken
end

local function settleCell(u, at)
  local cell, more = cellOf(u), u.cost - u.taken
  local used = cell.total or cell.used
  if u.kind == isSpan then
    if at < cell.since then more = max(0, more) end
    cell.used = max(0, used + more)
  elseif more > 0 then
    addToWindow(cell, u.span, steady, more)
  else
    giveBackToWindow(cell, u.span, at, -more)
  end
  if cell.spare then
    if more > 0 then cell.spare = cell.spare - more end
    cell.given = cell.given + max(0, used - (cell.total or cell.used))
    u.isOff = cell.given > 0 and cell.spare + cell.given > ceil(u.amount / 64)
  end
  dirty[u.key] = u
end

local function settle(uses, at)
  local missing = missingOf(uses)
  if missing then return addSnapshots(2, uses, missing) end
  local lacking = lackingOf(uses, moreThanTaken)
  if lacking then return addSnapshots(2, uses, lacking) end
  local off
  for index, u in ipairs(uses) do
    if u.kind ~= isAtOnce then
      -- A forced one without a cell has none to be counted in.
      if cellOf(u) then settleCell(u, at) end
    elseif u.cost > u.taken then
      holdLeases(u, u.cost - u.taken)
    else
      endLeases(u, u.taken - u.cost)
    end
    if u.isOff then
      off = off or {}
      off[#off + 1] = index
    end
  end
  if off then return addSnapshots(5, uses, off) end
  add(0)
end

-- Nothing is used of these any more. Kept ones answer a snapshot, to be written.
local function reset(uses)
  local kept = {}
  local missing = missingOf(uses)
  if missing then return addSnapshots(2, uses, missing) end
  for index, u in ipairs(uses) do
    if u.kind ~= isAtOnce then
      local cell = cellOf(u)
      cell.since = steady + 1
      if u.kind == isWindow then cell.total, cell.body = 0, '' else cell.used = 0 end
      if cell.spare then
        cell.spare, cell.given = 0, 0
        kept[#kept + 1] = index
      end
      dirty[u.key] = u
    end
  end
  addSnapshots(5, uses, kept)
end

-- Of a kept cell: puts what its row says in the place of a missing one, its spare as used now.
-- taken: the row's version; cost: its spare; the row's cell stands in the place of the cell's name.
local function install(u)
  add(0)
  if cellOf(u) then return end
  local raw = ARGV[u.key + 2]
  local cell
  if u.kind == isWindow then
    if raw == '' then raw = pack('<BdddI4', 1, 0, 0, 0, 0) end
    cell = readKeptWindow(raw, 1)
    withoutFuture(cell, u.span, steady)
    advance(cell, u.span, steady)
    adopt(cell, u.amount, u.span, steady)
    -- Single uses stay such, that none counts for longer than it must.
    local sum = cell.total + u.cost
    if cell.capacity > 0 and sum <= 64 then cell.capacity = max(cell.capacity, sum) end
    addToWindow(cell, u.span, steady, u.cost)
  else
    if raw == '' then raw = pack('<dddd', 0, 0, 0, 0) end
    cell = readSpan(raw, 1)
    cell.used = cell.used + u.cost
    roll(cell, u.span == 1, steady, wall)
  end
  cell.spare, cell.version, cell.given, cell.raised = 0, u.taken, 0, steady
  cells[u.key], dirty[u.key] = cell, u
end

-- Of a kept cell whose row was written: at: the row's version; taken: the version that the snapshot
-- had; cost: how much more may be used; amount: of a span, when that of the snapshot began.
local function raise(u, at)
  add(0)
  local cell = cellOf(u)
  if not cell or cell.version ~= u.taken then return end
  if u.kind == isSpan and cell.begins ~= u.amount then return end
  cell.spare, cell.version, cell.given, cell.raised = cell.spare + u.cost, at, 0, steady
  dirty[u.key] = u
end

-- What turned out not to be plain.
local function takeAfterAll(uses, at)
  local list = {}
  for index = 1, uses do
    local u = { kind = isWindow }
    u.key, u.amount, u.span, u.cost, at = read('<HI4I4I4', blob, at)
    list[index] = u
  end
  take(list, true)
end
`
