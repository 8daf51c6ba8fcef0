%% Runs one supervision tree and one script on OTP's own supervisor, and prints what happened.
%%
%% Standard input holds one term a case: {Tree, Script}. Each answer is one line of JSON: a list of steps, each an object
%% with the step's result, the starts and stops it caused, in order, and the state of the tree after it settled.
%%
%% Tree    = {sup, Name, Strategy, Intensity, Period, AutoShutdown, [Child]}
%% Child   = {Restart, Shutdown, Significant, Tree | {worker, Name, Plan}}      Plan = [ok | fail | ignore]
%% Script  = [{exit, Name, Reason} | {kill, Name} | {hang, Name} | {start, Sup, Child} | {terminate, Sup, Id}
%%           | {restart, Sup, Id} | {delete, Sup, Id} | {wait, Milliseconds}]
-module(driver).
-behaviour(gen_server).
-export([main/0, sup_init/1, start_sup/1, start_worker/2]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).

main() ->
    logger:set_primary_config(level, none),
    ets:new(events, [named_table, public, ordered_set]),
    ets:new(starts, [named_table, public, set]),
    loop().

loop() ->
    case io:read("") of
        {ok, {Tree, Script}} ->
            io:format("~s~n", [run(Tree, Script)]),
            loop();
        eof ->
            halt(0)
    end.

run(Tree, Script) ->
    ets:delete_all_objects(events),
    ets:delete_all_objects(starts),
    process_flag(trap_exit, true),
    First = start_sup(Tree),
    Root = case First of {ok, Pid} -> Pid; _ -> none end,
    Steps = [report(Tree, outcome(First)) | [step(Tree, S) || S <- Script]],
    stop(Root),
    Last = report(Tree, "ok"),
    ["[", lists:join(",", Steps ++ [Last]), "]"].

stop(none) -> ok;
stop(Root) ->
    Ref = monitor(process, Root),
    exit(Root, shutdown),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    flush().

flush() -> receive {'EXIT', _, _} -> flush() after 0 -> ok end.

step(Tree, {exit, Name, Reason}) -> report(Tree, with(Name, fun(P) -> gen_server:cast(P, {exit, Reason}) end));
step(Tree, {kill, Name}) -> report(Tree, with(Name, fun(P) -> exit(P, kill) end));
step(Tree, {hang, Name}) -> report(Tree, hang(whereis(Name)));
step(Tree, {wait, Ms}) -> timer:sleep(Ms), report(Tree, "ok");
step(Tree, {start, Sup, Child}) -> report(Tree, api(Sup, fun(S) -> supervisor:start_child(S, spec(Child)) end));
step(Tree, {terminate, Sup, Id}) -> report(Tree, api(Sup, fun(S) -> supervisor:terminate_child(S, Id) end));
step(Tree, {restart, Sup, Id}) -> report(Tree, api(Sup, fun(S) -> supervisor:restart_child(S, Id) end));
step(Tree, {delete, Sup, Id}) -> report(Tree, api(Sup, fun(S) -> supervisor:delete_child(S, Id) end)).

hang(undefined) -> "absent";
hang(Pid) -> gen_server:cast(Pid, hang), "ok".

with(Name, Do) ->
    case whereis(Name) of
        undefined -> "absent";
        Pid ->
            Ref = monitor(process, Pid),
            Do(Pid),
            receive {'DOWN', Ref, _, _, _} -> "ok" after 50 -> demonitor(Ref, [flush]), "hangs" end
    end.

api(Sup, Do) ->
    case whereis(Sup) of
        undefined -> "absent";
        _ -> try outcome(Do(Sup)) catch exit:_ -> "lost" end
    end.

outcome(ok) -> "ok";
outcome({ok, undefined}) -> "ignored";
outcome({ok, _}) -> "ok";
outcome(ignore) -> "ignored";
outcome({error, not_found}) -> "not_found";
outcome({error, running}) -> "busy";
outcome({error, restarting}) -> "busy";
outcome({error, already_present}) -> "taken";
outcome({error, {already_started, _}}) -> "taken";
outcome({error, _}) -> "failed".

%% What happened since the last report, once nothing happens any more. A supervisor that is asked has dealt with every
%% exit before; a restart that failed is a message to itself, hence the rounds, which outnumber every intensity used.
report(_Tree, Result) ->
    [settle() || _ <- lists:seq(1, 12)],
    flush(),
    Events = [E || {_, E} <- ets:tab2list(events)],
    ets:delete_all_objects(events),
    ["{\"result\":\"", Result, "\",\"events\":[", lists:join(",", [[$", E, $"] || E <- Events]),
     "],\"alive\":[", lists:join(",", [[$", atom_to_list(N), $"] || N <- alive()]),
     "],\"counts\":{", lists:join(",", [count(N) || N <- alive(), is_sup(N)]), "}}"].

alive() -> lists:sort([N || {N, _} <- ets:tab2list(starts), whereis(N) =/= undefined]).
is_sup(N) -> hd(atom_to_list(N)) =:= $s.

settle() ->
    [try supervisor:count_children(N) catch exit:_ -> gone end || N <- alive(), is_sup(N)],
    erlang:yield().

count(N) ->
    C = try supervisor:count_children(N) catch exit:_ -> [{specs, -1}, {active, -1}] end,
    io_lib:format("\"~s\":[~p,~p]", [N, proplists:get_value(specs, C), proplists:get_value(active, C)]).

log(What, Name, More) ->
    ets:insert(events, {erlang:unique_integer([monotonic]), io_lib:format("~s ~s~s", [What, Name, More])}).

%% The tree.

start_sup({sup, Name, _, _, _, _, _} = Tree) -> supervisor:start_link({local, Name}, ?MODULE, {sup, Tree}).

sup_init({sup, Name, Strategy, Intensity, Period, Auto, Children}) ->
    ets:insert(starts, {Name, sup}),
    log("start", Name, ""),
    {ok, {#{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
          [spec(C) || C <- Children]}}.

spec({Restart, Shutdown, Significant, {worker, Name, Plan}}) ->
    #{id => Name, start => {?MODULE, start_worker, [Name, Plan]}, restart => Restart, shutdown => Shutdown,
      significant => Significant, type => worker};
spec({Restart, Shutdown, Significant, {sup, Name, _, _, _, _, _} = Tree}) ->
    #{id => Name, start => {?MODULE, start_sup, [Tree]}, restart => Restart, shutdown => Shutdown,
      significant => Significant, type => supervisor}.

start_worker(Name, Plan) -> gen_server:start_link({local, Name}, ?MODULE, {worker, Name, Plan}, []).

%% The plan says how the n-th start of a worker goes; past its end, well.
init({sup, Tree}) -> sup_init(Tree);
init({worker, Name, Plan}) ->
    process_flag(trap_exit, true),
    N = case ets:lookup(starts, Name) of [{_, I}] -> I; [] -> 0 end,
    ets:insert(starts, {Name, N + 1}),
    case N < length(Plan) andalso lists:nth(N + 1, Plan) of
        fail -> log("fail", Name, ""), {stop, planned};
        ignore -> log("ignore", Name, ""), ignore;
        _ -> log("start", Name, ""), {ok, Name}
    end.

handle_call(_, _, S) -> {reply, ok, S}.
handle_cast(hang, S) -> timer:sleep(infinity), {noreply, S};
handle_cast({exit, Reason}, S) -> {stop, Reason, S}.

terminate(Reason, Name) -> log("stop", Name, [" ", word(Reason)]).

word(normal) -> "normal";
word(shutdown) -> "shutdown";
word({shutdown, _}) -> "shutdown";
word(_) -> "crash".
