#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% A TURN server of the p1_stun library (Debian: erlang-p1-stun) for tests/bench/run: one user, UDP and TCP on one port,
%% TLS on another when there is a certificate. Arguments: ADDRESS PORT TLS-PORT CERT REALM USER PASSWORD MIN-PORT MAX-PORT;
%% TLS-PORT 0 is no TLS, CERT is a PEM file with certificate and key. It ends with SIGTERM.
%%! +S 1:1 +sbwt none -noshell

main([Address, Port, TlsPort, Cert, Realm, User, Password, Low, High]) ->
    logger:set_primary_config(level, error),
    {ok, _} = application:ensure_all_started(stun),
    %% Code is loaded when it is first called otherwise, which would be while it is measured.
    {ok, Modules} = application:get_key(stun, modules),
    code:ensure_modules_loaded([crypto, gen_udp, gen_tcp, p1_fsm, treap | Modules]),
    {ok, Ip} = inet:parse_address(Address),
    Relayed = case tuple_size(Ip) of
                  4 -> {turn_ipv4_address, Ip};
                  8 -> {turn_ipv6_address, Ip}
              end,
    Known = list_to_binary(User),
    Secret = list_to_binary(Password),
    Options = [use_turn, Relayed,
               {auth_type, user},
               {auth_realm, list_to_binary(Realm)},
               {auth_fun, fun(Name, _) when Name =:= Known -> Secret; (_, _) -> <<>> end},
               {turn_min_port, list_to_integer(Low)},
               {turn_max_port, list_to_integer(High)},
               {turn_max_allocations, infinity},
               {turn_max_permissions, infinity},
               {turn_blacklist, []}],
    ok = stun_listener:add_listener(Ip, list_to_integer(Port), udp, Options),
    ok = stun_listener:add_listener(Ip, list_to_integer(Port), tcp, Options),
    case list_to_integer(TlsPort) of
        0 -> ok;
        Secured ->
            ok = stun_listener:add_listener(Ip, Secured, tcp, [tls, {certfile, list_to_binary(Cert)} | Options])
    end,
    receive stop -> ok end.
