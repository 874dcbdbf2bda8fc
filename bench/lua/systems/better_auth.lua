-- better-auth's API-key plugin behind peers/better_auth/server.mjs.

local json = { ["Content-Type"] = "application/json" }
local by_key = { ["X-API-Key"] = os.getenv("BENCH_CALLER"), ["Content-Type"] = "application/json" }
local by_session = {
  ["Cookie"] = os.getenv("BENCH_COOKIE"),
  ["Origin"] = "http://127.0.0.1",
  ["Content-Type"] = "application/json",
}

local function created(body)
  return body:match('"id":"(%w+)"'), body:match('"key":"(%a+)"')
end

return {
  verify = {
    request = function(_, secret)
      return wrk.format("POST", "/verify", json, '{"key":"' .. secret .. '"}')
    end,
    answer = function(status, _, body)
      if status == 200 and body:find('^{"valid":true,"error":null,"key":{') then
        return body:match('"id":"(%w+)"')
      end
    end,
  },

  create = {
    creates = true,
    request = function(_, _, n)
      return wrk.format("POST", "/create", by_key, '{"name":"Key ' .. n .. '"}')
    end,
    answer = function(status, _, body)
      if status == 201 then
        return created(body)
      end
    end,
  },

  -- Its own endpoint, which only a signed-in user may call.
  create_by_session = {
    creates = true,
    request = function(_, _, n)
      return wrk.format("POST", "/api/auth/api-key/create", by_session, '{"name":"Key ' .. n .. '"}')
    end,
    answer = function(status, _, body)
      if status == 200 then
        return created(body)
      end
    end,
  },
}
