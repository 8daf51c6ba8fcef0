%% Erlang/OTP beside the kernel: a gen_server told and asked, a supervised one started and stopped, one that crashes.
%% CPU time by the emulator's own statistics, in seconds for each operation, warm, one lap, as JSON.
-module(otp_peer).
-behaviour(gen_server).
-export([main/1, start_link/1, init/1, handle_call/3, handle_cast/2]).

main([Factor]) ->
    logger:set_primary_config(level, none),
    Scale = list_to_integer(Factor),
    Rows = [{tell, fun tell/1, 20000 * Scale}, {call, fun call/1, 10000 * Scale},
            {leaves, fun leaves/1, 5000 * Scale}, {restarts, fun restarts/1, 1000 * Scale}],
    Found = [io_lib:format("\"~s\": ~.12f", [Name, measured(Run, N)]) || {Name, Run, N} <- Rows],
    io:format("{~s}~n", [lists:join(", ", Found)]),
    halt().

measured(Run, N) ->
    Run(N div 10),
    timed(Run, N).

timed(Run, N) ->
    garbage_collect(),
    {Before, _} = statistics(runtime),
    Run(N),
    {After, _} = statistics(runtime),
    (After - Before) / 1000 / N.

%% As in the kernel's bench: a thousand messages in a row, then a turn for the other side.
tell(N) ->
    {ok, Sink} = gen_server:start_link(?MODULE, sink, []),
    [begin [gen_server:cast(Sink, {tell, I}) || I <- lists:seq(1, 1000)], erlang:yield() end
     || _ <- lists:seq(1, N div 1000)],
    gen_server:call(Sink, {ask, 0}, infinity),
    gen_server:stop(Sink).

call(N) ->
    {ok, Sink} = gen_server:start_link(?MODULE, sink, []),
    [gen_server:call(Sink, {ask, I}, 5000) || I <- lists:seq(1, N)],
    gen_server:stop(Sink).

leaves(N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, 1}),
    Spec = #{id => leaf, start => {?MODULE, start_link, [sink]}, restart => temporary},
    [begin {ok, _} = supervisor:start_child(Sup, Spec), ok = supervisor:terminate_child(Sup, leaf) end
     || _ <- lists:seq(1, N)],
    close(Sup).

restarts(N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, 1000000000}),
    Left = counters:new(1, []),
    counters:put(Left, 1, N),
    {ok, _} = supervisor:start_child(Sup, #{id => phoenix, start => {?MODULE, start_link, [{phoenix, Left, self()}]}}),
    receive cold -> ok end,
    close(Sup).

close(Sup) ->
    unlink(Sup),
    Watch = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Watch, process, Sup, _} -> ok end.

start_link(Args) -> gen_server:start_link(?MODULE, Args, []).

init({sup, Intensity}) -> {ok, {#{strategy => one_for_one, intensity => Intensity, period => 5}, []}};
init(sink) -> {ok, 0};
init({phoenix, Left, Parent}) ->
    case counters:get(Left, 1) of
        0 -> Parent ! cold;
        _ -> gen_server:cast(self(), burn)
    end,
    {ok, Left}.

handle_call({ask, I}, _From, State) -> {reply, I, State}.

handle_cast({tell, I}, State) -> {noreply, State + I};
handle_cast(burn, Left) ->
    counters:sub(Left, 1, 1),
    error(burnt).
