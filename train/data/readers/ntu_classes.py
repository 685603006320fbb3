"""Short names of the actions of NTU RGB+D 120, A1 to A120; the first 60 are those of NTU RGB+D."""

from __future__ import annotations

_NAMES = (
    "drink_water eat_meal brush_teeth brush_hair drop pick_up throw sit_down stand_up clap read write "
    "tear_up_paper put_on_jacket take_off_jacket put_on_a_shoe take_off_a_shoe put_on_glasses take_off_glasses "
    "put_on_a_hat take_off_a_hat cheer_up hand_waving kick_something reach_into_pocket hop jump_up phone_call "
    "play_with_phone type_on_a_keyboard point_to_something take_a_selfie check_time rub_two_hands nod_head "
    "shake_head wipe_face salute put_palms_together cross_hands_in_front sneeze_or_cough stagger fall_down "
    "headache chest_pain back_pain neck_pain nausea fan_self punch_someone kick_someone push_someone "
    "pat_someones_back point_at_someone hug give_object touch_pocket shake_hands walk_towards walk_apart "
    "put_on_headphone take_off_headphone shoot_at_basket bounce_ball tennis_bat_swing juggle_table_tennis_ball "
    "hush flick_hair thumb_up thumb_down ok_sign victory_sign staple_book count_money cut_nails cut_paper "
    "snap_fingers open_bottle sniff squat_down toss_a_coin fold_paper ball_up_paper play_magic_cube "
    "apply_cream_on_face apply_cream_on_hand put_on_bag take_off_bag put_object_into_bag take_object_out_of_bag "
    "open_a_box move_heavy_objects shake_fist throw_up_cap hands_up cross_arms arm_circles arm_swings "
    "run_on_the_spot butt_kicks cross_toe_touch side_kick yawn stretch blow_nose hit_with_object wield_knife "
    "knock_over grab_stuff shoot_with_gun step_on_foot high_five cheers_and_drink carry_object take_a_photo "
    "follow whisper exchange_things support_somebody rock_paper_scissors "
)
CLASSES = tuple(_NAMES.split())
