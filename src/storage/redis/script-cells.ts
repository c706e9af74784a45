/** A list that begins with places does not grow one by one. */
const places = 'nil, '.repeat(150)

/**
 * The part of the script that reads the cells of a call once and writes what has changed once.
 *
 * KEYS: the epoch, then each cell. ARGV: the epoch as its node knows it, the node, the requests,
 * then each cell's name. The cells of addresses are fields of two hashes, the younger and the older
 * generation, KEYS 2 and 3, where a call has any: strangers have any number of addresses.
 *
 * A kept cell begins with `spare f64, version f64, given f64, raised f64`: how much more may be
 * used before PostgreSQL is asked, the version of its row, how much was given back since that was
 * written, and when the spare was raised.
 */
export const callScript: string = `
local node, blob = ARGV[2], ARGV[3]
local began, leastTime, mostTime, extraPx, steady, wall, generationMax, requests, position = read('<ddddddII', blob)
local got = call('MGET', unpack(keys))
if got[1] ~= ARGV[1] then return { 1 } end
local clock = call('TIME')
local time = clock[1] * 1000 + floor(clock[2] / 1000)
if time < leastTime or time > mostTime then return { 2, time } end
if steady < 0 then
  steady, wall = time, time
end

-- Shorter windows are closed in an epoch that began so lately.
local openSpan = math.huge
if began > 0 then openSpan = steady - began end
local out, answered = { 0, steady, time, ${places} }, 3
`

/** What the requests of a call find of a cell, and what is written of it. */
export const cellScript = `
local isWindow, isSpan, isAtOnce = 0, 1, 2
local cells, dirty = {}, {}

-- What an address has used, and whether it was not looked at since the generations turned.
local function addressBytes(name)
  local raw = call('HGET', keys[2], name)
  if raw then return raw, false end
  raw = call('HGET', keys[3], name)
  return raw, raw ~= false
end

-- A cell that was plain until now.
local function asCell(place)
  local state, raw, body = states[place], blanks[place] or got[place], ''
  if not blanks[place] then body = sub(raw, state[7]) .. state[6] end
  local w = { capacity = state[1], latest = state[5], total = state[2], body = body }
  w.shape, w.since, w.dies = read('<Bdd', raw, 2)
  if state[4] > 0 then append(w, state[4]) end
  return w, state[11]
end

-- The state of a window or span; nil where a kept one has no cell.
local function cellOf(u)
  local key, cell = u.key, cells[u.key]
  if not cell and states[key] then
    local isChanged
    cell, isChanged = asCell(key)
    cells[key], states[key] = cell, false
    if isChanged then dirty[key] = u end
  elseif not cell then
    states[key] = false
    local raw = got[key]
    if u.ofAddress then
      local isOld
      raw, isOld = addressBytes(ARGV[key + 2])
      -- One that is looked at is remembered, whether or not it may pass.
      if isOld then dirty[key] = u end
    end
    if raw then
      local spare, version, given, raised, at = nil, nil, nil, nil, 1
      if u.kept then spare, version, given, raised, at = read('<dddd', raw) end
      if u.kind == isSpan then
        cell = readSpan(raw, at)
      elseif u.kept then
        cell = readKeptWindow(raw, at)
      else
        cell = readWindow(raw)
      end
      cell.spare, cell.version, cell.given, cell.raised = spare, version, given, raised
    elseif u.kept then
      return nil
    elseif u.kind == isWindow then
      cell = { capacity = 1, shape = shapeFor(1, u.span), latest = 0, since = 0, total = 0, body = '' }
    else
      cell = { begins = 0, ends = 0, since = 0, used = 0 }
    end
    cells[key] = cell
  end
  if u.kind == isWindow then
    advance(cell, u.span, steady)
    if adopt(cell, u.amount, u.span, steady) then dirty[key] = u end
  else
    roll(cell, u.span == 1, steady, wall)
  end
  return cell
end

local function coreBytes(u, cell)
  if u.kind == isSpan then return spanBytes(cell) end
  if u.kept then return keptWindowBytes(cell) end
  return windowBytes(cell)
end

-- How long a cell says anything.
local function lifeOf(u, cell)
  if u.kind == isSpan then return max(1, spanLeft(cell, steady, wall)) + extraPx end
  local ahead = cell.latest - steady
  if cell.capacity == 0 then ahead = startOf(cell.latest, u.span) - steady end
  return u.span + ceil(u.span / 64) + 1 + max(0, ahead) + extraPx
end

local function saveAddress(u, cell, life)
  local young, old, name = keys[2], keys[3], ARGV[u.key + 2]
  if call('HSET', young, name, coreBytes(u, cell)) == 1 then
    call('HDEL', old, name)
    if call('HLEN', young) * 2 >= generationMax then
      call('UNLINK', old)
      call('RENAME', young, old)
      young = old
    end
  end
  if call('PTTL', young) < tonumber(life) then call('PEXPIRE', young, life) end
end

local function save()
  for key, u in pairs(dirty) do
    local cell = cells[key]
    local life = string.format('%.0f', ceil(lifeOf(u, cell)))
    cell.dies = time + tonumber(life)
    if u.ofAddress then
      saveAddress(u, cell, life)
    elseif cell.spare then
      local kept = pack('<dddd', cell.spare, cell.version, cell.given, cell.raised)
      call('SET', keys[key], kept .. coreBytes(u, cell), 'PX', life)
    else
      call('SET', keys[key], coreBytes(u, cell), 'PX', life)
    end
  end
end

-- What is under way at once: a set of leases, each with its end.

local leaseMs = 60000

local function leasesOf(u)
  local known = cells[u.key]
  if not known then
    known = { used = call('ZCOUNT', keys[u.key], '(' .. string.format('%.0f', steady), '+inf') }
    cells[u.key] = known
  end
  return known
end

local function holdLeases(u, more)
  local key, ends = keys[u.key], string.format('%.0f', steady + leaseMs)
  for place = 0, more - 1 do
    call('ZADD', key, ends, node .. ':' .. string.format('%.0f', u.span + place))
  end
  -- Only now: behind the first write of a script no other is refused, even where memory is full.
  call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', steady))
  call('PEXPIRE', key, leaseMs + extraPx)
  cells[u.key] = nil
end

local function endLeases(u, less)
  for place = 0, less - 1 do
    call('ZREM', keys[u.key], node .. ':' .. string.format('%.0f', u.span + place))
  end
  cells[u.key] = nil
end
`
