"""Errors as callers see them: RFC 9457, in Chinese or English. The one table from codes to status and text."""

from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import Response

from accounts.errors import DomainError, Fault

UNAUTHORIZED = 401
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "https://tanpuhui.example/problems/"

# Status, Chinese, English of each code.
CODES: dict[str, tuple[int, str, str]] = {
    "request.malformed": (400, "请求无法解析", "The request cannot be read"),
    "request.invalid": (422, "请求内容不符合要求", "The request is understood but does not fit"),
    "request.too_large": (413, "请求体过大", "The body is too large"),
    "request.media_type": (415, "不支持该内容类型", "This media type is not supported"),
    "request.not_found": (404, "没有这个地址", "There is nothing at this address"),
    "request.method": (405, "该地址不支持此方法", "This address does not take that method"),
    "request.rate_limited": (429, "请求过于频繁,请稍后再试", "Too many requests; come back later"),
    "request.idempotency_conflict": (
        409,
        "同一 Idempotency-Key 已用于另一个请求",
        "This Idempotency-Key was used with another request",
    ),
    "auth.missing": (401, "缺少访问令牌", "An access token is needed"),
    "auth.invalid": (401, "访问令牌无效或已过期", "The access token is invalid or has expired"),
    "auth.scope": (403, "权限不足", "The token does not carry the scope that this needs"),
    "auth.client": (401, "客户端编号或密钥错误", "Client id or secret is wrong"),
    "auth.grant": (400, "不支持的授权方式", "This grant type is not supported"),
    "auth.unknown_scope": (400, "客户端没有该权限范围", "The client does not have this scope"),
    "auth.unavailable": (
        503,
        "暂时无法核验密钥,请稍后再试",
        "Secrets cannot be checked right now; come back later",
    ),
    "not_found": (404, "不存在或无权查看", "Not there, or not yours"),
    "holder.not_found": (404, "主体不存在或无权查看", "No such holder, or not yours"),
    "activity.not_found": (404, "低碳行为不存在或无权查看", "No such activity, or not yours"),
    "activity.event_id_conflict": (
        409,
        "该 event_id 已用于另一内容的上报",
        "This event_id was reported before with another body",
    ),
    "activity.claimed": (
        409,
        "该行为所需的凭证已被其他行为使用",
        "What this activity would claim is another one's",
    ),
    "activity.cap_reached": (409, "当日额度已用完", "The caps of the activity's day leave nothing"),
    "review.not_found": (404, "没有待审核的该行为或无权查看", "No such activity was held, or not yours"),
    "review.decided": (409, "该审核已结束", "This review is over"),
    "dispute.not_found": (404, "争议不存在或无权查看", "No such dispute, or not yours"),
    "dispute.exists": (
        409,
        "该行为已有争议",
        "This activity is disputed, or you disputed it before",
    ),
    "dispute.too_many": (409, "未结争议过多", "Too many of your disputes are open"),
    "dispute.not_disputable": (
        409,
        "该行为已冲正、待定或已转移,不能提出争议",
        "This activity was reversed, waits or was part of a move: there is nothing to contest",
    ),
    "dispute.decided": (409, "该争议已结束", "This dispute is over"),
    "dispute.not_movable": (
        409,
        "没有可转移到该行为的认领",
        "There is no claim that could be moved to this activity",
    ),
    "issuance.not_found": (404, "签发不存在或无权查看", "No such issuance, or not yours"),
    "issuance.version_missing": (
        428,
        "请用 If-Match 注明所依据的版本",
        "Name the version that you decided on by If-Match",
    ),
    "issuance.changed_meanwhile": (412, "该签发已被修改", "The issuance has changed meanwhile"),
    "issuance.wrong_state": (409, "该签发当前状态不允许此操作", "The issuance is not in a state for this"),
    "issuance.not_issuable": (
        422,
        "该方法学在此不可签发,或地区不在其范围内",
        "The methodology is not issuable here, or the region is not its own",
    ),
    "issuance.nothing_booked": (
        422,
        "该申请人或方法学年份没有减排量",
        "No such applicant, or nothing was booked under this text and year",
    ),
    "issuance.period_taken": (
        409,
        "记账期须与上一期相接,且不得与其他签发重叠",
        "A period begins where the one before ends, and overlaps no other issuance",
    ),
    "issuance.period_runs": (409, "记账期尚未结束", "The booking period is not over"),
    "issuance.earlier_open": (
        409,
        "上一期尚未签发",
        "The issuance before this one is not issued yet",
    ),
    "issuance.act_not_in_period": (
        422,
        "有低碳行为在本期没有可排除的减排量",
        "An act has nothing in this period that could stay out",
    ),
    "issuance.exclusion_not_found": (404, "没有这项排除", "No such exclusion"),
    "issuance.notice_runs": (409, "公示期尚未结束", "The public notice is not over"),
    "issuance.objections_open": (
        409,
        "有异议未答复,或有异议成立",
        "Objections wait for an answer, or one was upheld",
    ),
    "issuance.objection_not_found": (404, "没有这项异议", "No such objection"),
    "issuance.objection_decided": (409, "该异议已答复", "The objection has its answer"),
    "issuance.second_operator": (
        403,
        "签发须由另一名操作员批准",
        "Another operator than the one who opened it approves an issuance",
    ),
    "issuance.evidence_not_found": (
        404,
        "没有这份证据文件,或并非所见版本",
        "No such file of evidence, or not the package that is there",
    ),
    "issuance.calendar_ends": (
        422,
        "放假安排尚未公布,请注明公示截止日",
        "Days off are not published so far ahead: give the notice's last day",
    ),
    "activity.unprocessable": (422, "该上报无法入库", "This report cannot be stored"),
    "activity.already_reversed": (409, "该行为已冲正", "This activity is already reversed"),
    "activity.not_pending": (
        409,
        "该行为没有待领取的减排量",
        "This activity has no credit that waits to be collected",
    ),
    "activity.not_collectable_yet": (409, "尚未到可领取的日期", "The credit cannot be collected yet"),
    "activity.lapsed": (409, "已过领取期限，减排量失效", "The time to collect the credit is over"),
    "activity.no_consent": (
        409,
        "授权已撤回或账户未启用",
        "The consent is withdrawn or the account is not active",
    ),
    "activity.not_reversible": (409, "只有已入账的行为可以冲正", "Only a credited activity can be reversed"),
    "methodology.not_found": (404, "方法学版本不存在或无权查看", "No such methodology version, or not yours"),
    "methodology.exclusion_not_found": (404, "排除不存在或无权查看", "No such exclusion, or not yours"),
    "methodology.adoption_not_found": (404, "采用不存在或无权查看", "No such adoption, or not yours"),
    "methodology.leaves_gap": (
        422,
        "启用后将留下没有方法学的日期",
        "The activation would leave days without a version",
    ),
    "factors.not_found": (404, "没有这张因子表", "No such table of factors"),
    "methodology.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "methodology.version_exists": (
        409,
        "该地区已有同编号、同版本的方法学",
        "The region has a methodology of this code and version",
    ),
    "methodology.invalid": (
        422,
        "方法学文本未通过校验",
        "The text of the methodology does not pass its checks",
    ),
    "methodology.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the state that it was made from, by If-Match",
    ),
    "methodology.edited_meanwhile": (
        412,
        "读取之后已被他人修改,请重新读取",
        "Somebody changed it since you read it; read it again",
    ),
    "methodology.immutable": (
        409,
        "已批准的文本不可修改,更正须另立新版本",
        "What is approved does not change; a correction is a new version",
    ),
    "methodology.wrong_state": (409, "当前状态不允许这一步", "The step does not follow the state it is in"),
    "methodology.approve_own": (
        403,
        "须由另一操作员批准：不得批准自己所写或所提",
        "Another operator has to approve it: nobody approves what they wrote or proposed",
    ),
    "methodology.not_activatable": (
        409,
        "仅供演示的文本不可在生产环境生效",
        "A text for demonstrations never becomes active in production",
    ),
    "methodology.lead_too_short": (
        422,
        "时间过近,须留出提前量以便各进程知晓",
        "Too soon: every process has to know before it counts",
    ),
    "methodology.periods_overlap": (
        409,
        "与同地区同场景的另一版本施行期重叠",
        "The days overlap with another version of this region and scene",
    ),
    "methodology.days_credited": (
        409,
        "这些日期已有按其他文本入账的行为,更正须走重算",
        "Acts of these days are credited under another text; correcting them is a recalculation",
    ),
    "methodology.days_in_force": (
        409,
        "生效时刻之前另一文本仍在适用,施行首日须不早于生效时刻",
        "Another text counts until the moment of activation; begin on a day that starts after it",
    ),
    "recalculation.not_found": (404, "重算不存在或无权查看", "No such recalculation, or not yours"),
    "recalculation.wrong_state": (
        409,
        "重算的当前状态不允许这一步",
        "The step does not follow the state that the recalculation is in",
    ),
    "recalculation.not_past": (
        409,
        "该版本施行首日在未来,无可重算,请按一般程序生效",
        "The version begins on a day to come: there is nothing to recalculate, activate it",
    ),
    "recalculation.already_requested": (
        409,
        "该版本已有未结束的重算",
        "This version has a recalculation that is not over",
    ),
    "recalculation.preview_stale": (
        409,
        "预览之后施行中的版本已变,请撤销并重新申请",
        "Other versions hold the days since the preview; cancel it and request it anew",
    ),
    "methodology.stale": (
        503,
        "暂时无法确认施行中的方法学文本,请稍后重试",
        "The texts in force are not known for sure right now; come back later",
    ),
    "sign_in.code_wrong": (401, "验证码错误或已失效", "The code is wrong, used or too old"),
    "sign_in.blocked": (403, "该账号被登录服务方限制", "The provider blocks this user"),
    "sign_in.phone_refused": (
        422,
        "不支持该手机号",
        "This is no mainland mobile number, or none that codes can be sent to",
    ),
    "sign_in.provider_busy": (503, "登录服务方繁忙,请稍后再试", "The provider is busy; come back later"),
    "sign_in.provider_failed": (502, "登录服务方异常", "The provider's answer cannot be used"),
    "sign_in.method_off": (422, "本系统未开通该登录方式", "This way to sign in is not set up here"),
    "sign_in.binding_invalid": (422, "绑定凭证无效或已过期", "The binding token is none, or too old"),
    "sign_in.age_undeclared": (
        409,
        "新开账户须声明已满14周岁,未满14周岁由监护人开户",
        "A new account needs the declaration of being 14 or older; a guardian makes a child's",
    ),
    "sign_in.sms_needed": (
        409,
        "该手机号须用短信验证码验证",
        "This number has to be proven by a code by SMS",
    ),
    "sign_in.phone_unproven": (
        409,
        "该手机号久未验证,须再用一种已绑定的方式登录,或声明为新机主",
        "This number was not proven for long: sign in another way too, or say that you are its new owner",
    ),
    "certificate.mistyped": (
        422,
        "证书编号有误,校验位不符",
        "This is no number of a certificate: its check digits do not fit",
    ),
    "certificate.revoked": (409, "证书已撤销", "The certificate is revoked"),
    "project.not_found": (404, "项目或存量不存在或无权查看", "No such project or stock, or not yours"),
    "project.exists": (
        409,
        "项目代码已占用、业主不是市场参与方,或该年份已有存量",
        "The code is taken, its owner is no market participant, or the vintage has a stock",
    ),
    "project.stock_verified": (409, "该存量已核查", "The stock is verified"),
    "project.verify_own": (403, "须由另一操作员接受核查", "Another client has to accept the verification"),
    "certificate.no_seal": (404, "尚未上传印章", "No seal was uploaded"),
    "certificate.seal_unfit": (
        422,
        "印章须为PNG图片,边长100至1024像素,不超过256KiB",
        "A seal is a whole PNG of 100 to 1,024 pixels a side and 256 KiB at the most",
    ),
    "session.refresh_invalid": (401, "登录已失效,请重新登录", "The session is over; sign in again"),
    "session.not_found": (404, "登录会话不存在", "No such session"),
    "holder.closed": (403, "账户已关闭", "The account is closed"),
    "holder.minor": (409, "未满14周岁,由监护人操作", "The account is a child's: its guardian acts for it"),
    "holder.too_many_children": (409, "未成年人账户数已达上限", "No more children's accounts can be added"),
    "holder.real_name_needed": (
        409,
        "两个账户均有记录,须经实名核验方可合并",
        "Both accounts have history; they become one on real-name proof only",
    ),
    "holder.both_have_history": (
        409,
        "两个账户均有分录,不能合并",
        "Both accounts have entries, which never move; neither can be absorbed",
    ),
    "holder.identity_conflict": (
        409,
        "该身份已属于另一账户",
        "The account has another real name, or the identifier another account",
    ),
    "score.card_not_found": (
        404,
        "没有该评分卡，或其在该地区未启用",
        "No such score card, or not in force there",
    ),
    "score.card_changed": (
        409,
        "该评分卡版本的文本已变，改动须另立新版本",
        "The text of this version is another one here; a change is a new version",
    ),
    "score.conduct_not_found": (404, "没有该行为记录或无权查看", "No such record of a conduct, or not yours"),
    "score.conduct_withdrawn": (409, "该行为记录已撤销", "This record is withdrawn already"),
    "offer.not_found": (404, "商品不存在或无权查看", "No such offer, or not yours"),
    "offer.invalid": (422, "商品信息不符合要求", "The offer does not fit together"),
    "offer.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the version that it was made from, by If-Match",
    ),
    "offer.edited_meanwhile": (
        412,
        "读取之后已被他人修改,请重新读取",
        "Somebody changed it since you read it; read it again",
    ),
    "offer.wrong_state": (409, "商品当前状态不允许这一步", "The step does not follow the state of the offer"),
    "offer.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "offer.suspended": (
        409,
        "商品由管理方暂停,须由管理方恢复",
        "An operator paused the offer and has to resume it",
    ),
    "offer.codes_known": (409, "其中有券码已上传过", "A code of the upload is there already"),
    "shop.not_found": (404, "门店或收银台不存在或无权查看", "No such shop or till, or not yours"),
    "offer.not_available": (409, "该商品当前不可兑换", "The offer cannot be had now"),
    "offer.out_of_stock": (409, "库存不足", "Not enough is left"),
    "offer.limit_reached": (409, "已达每人限量", "You have had as much of it as one person may"),
    "redemption.points_short": (409, "积分不足", "There are not enough points"),
    "redemption.holder_not_active": (409, "账户未启用", "The account is not active"),
    "redemption.not_found": (404, "兑换单不存在或无权查看", "No such redemption, or not yours"),
    "redemption.wrong_state": (
        409,
        "兑换单当前状态不允许这一步",
        "The step does not follow the state of the redemption",
    ),
    "redemption.timed_out": (
        409,
        "兑换单已超时,积分与库存已退回",
        "The time is over: points and stock go back",
    ),
    "redemption.payment_due": (409, "须先完成支付", "It is confirmed by its payment"),
    "redemption.code_invalid": (
        422,
        "兑换码无效或已过时,请刷新后重试",
        "The code is invalid or too old; show a new one",
    ),
    "redemption.already_fulfilled": (409, "该兑换码已核销", "The code has been taken already"),
    "redemption.code_lapsed": (409, "兑换码已过有效期", "The days of the code are over"),
    "redemption.wrong_till": (
        409,
        "该兑换码不能在此门店或收银台使用",
        "The code is not for this shop or till",
    ),
    "redemption.unprocessable": (422, "该兑换无法入库", "This redemption cannot be stored"),
    "webhook.not_found": (404, "推送地址不存在或无权查看", "No such webhook, or not yours"),
    "webhook.delivery_not_found": (404, "没有这条推送记录", "No such delivery, or it is dropped already"),
    "webhook.target_refused": (422, "不可向该网址推送", "Webhooks do not go to this URL"),
    "webhook.too_many": (409, "推送地址数量已达上限", "There are as many webhooks as there may be"),
    "webhook.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the version that it was made from, by If-Match",
    ),
    "webhook.edited_meanwhile": (
        412,
        "读取之后已被修改,请重新读取",
        "It changed since you read it; read it again",
    ),
    "payment.not_found": (404, "支付单不存在或无权查看", "No such payment, or not yours"),
    "payment.not_offered": (404, "本服务未开通支付", "No payments are taken here"),
    "payment.not_payable": (
        409,
        "订单不在待支付状态,或即将超时",
        "The order does not wait for a payment, or is nearly over",
    ),
    "payment.refused": (409, "支付机构拒绝了该笔支付", "The provider of payments refuses this payment"),
    "payment.unavailable": (
        503,
        "支付机构暂时没有应答,请稍后再试",
        "The provider of payments does not answer; come back later",
    ),
    "payment.notification_refused": (
        401,
        "通知的签名不可信",
        "The notification is not signed by the provider",
    ),
    "label.none": (404, "尚无已公布的碳标签", "No label was published yet"),
    "label.no_scale": (
        409,
        "本地规则未涵盖该领域或行业",
        "The rules of the region do not cover this domain and industry",
    ),
    "label.no_rules": (409, "该区域没有生效的碳标签规则", "No approved rules of labels cover this region"),
    "label.year_not_over": (409, "该年度尚未结束", "The year is not over"),
    "label.run_not_found": (404, "评定批次不存在或无权查看", "No such run, or not yours"),
    "label.run_unfinished": (409, "评定尚未完成", "The run is not done yet"),
    "label.run_published": (409, "该批次已公布", "The run is published already"),
    "label.run_stale": (
        409,
        "同年度相同企业的分布已由另一批次公布,请重新评定",
        "Percentiles of the same enterprises and year were published meanwhile: make the run again",
    ),
    "label.publish_own": (
        409,
        "发起人不能将本人发起的批次公布为正式标签",
        "Who began a run publishes none of it as official",
    ),
    "label.not_official": (
        409,
        "评定规则不是正式规则,只能作为试行公布",
        "The rules are not official: labels by them are published as a trial only",
    ),
    "label.example_not_official": (
        422,
        "示例数值不能作为正式规则",
        "Numbers that ship as an example are no official rules",
    ),
    "settlement.not_found": (404, "结算单不存在或无权查看", "No such statement, or not yours"),
    "settlement.merchant_not_found": (
        404,
        "该地区没有此商户的已审核商品,或无权查看",
        "No merchant with an approved offer in this region, or not yours",
    ),
    "settlement.period_not_over": (409, "结算期尚未结束", "The period is not over"),
    "settlement.already_issued": (
        409,
        "截至该时刻已有结算单",
        "There is a statement up to that moment already",
    ),
    "settlement.nothing_due": (409, "该期间没有待结算的分录", "Nothing of that period waits for a statement"),
    "settlement.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the version that it was made from, by If-Match",
    ),
    "settlement.changed_meanwhile": (
        412,
        "读取之后已有变化,请重新读取",
        "It has changed since you read it; read it again",
    ),
    "settlement.wrong_state": (
        409,
        "结算单当前状态不允许这一步",
        "The step does not follow the state of the statement",
    ),
    "settlement.line_unknown": (422, "结算单没有这一行", "The statement has no such line"),
    "settlement.nothing_payable": (
        409,
        "合计不大于零,无需付款",
        "The total is not above zero: nothing is paid",
    ),
    "settlement.approve_own": (
        403,
        "须由另一操作员批准:不得批准自己提出的付款或自己的更正",
        "Another operator has to approve it: nobody approves what they proposed or corrected",
    ),
    "account.closed": (409, "账户已注销", "The account is closed"),
    "consent.text_unknown": (
        422,
        "同意书版本不是当前提供的版本",
        "The text version is not the one that is offered",
    ),
    "consent.source_unknown": (404, "没有这个数据来源", "There is no such source"),
    "receipt.not_found": (404, "凭据不存在或无权查看", "No such receipt, or not yours"),
    "mandate.terms_not_offered": (404, "没有提供该归集条款", "These terms are not offered"),
    "mandate.terms_exist": (409, "该版本的归集条款已存在", "Terms of this version are published already"),
    "mandate.overlaps": (
        409,
        "该期间已有另一项归集授权",
        "Another mandate is in force in that time; withdraw it first",
    ),
    "mandate.not_found": (404, "归集授权不存在或无权查看", "No such mandate, or not yours"),
    "mandate.ended": (409, "归集授权已终止", "The mandate is over already"),
    "binding.link_invalid": (404, "绑定链接无效或已过期", "The link is none, is not for you, or is too old"),
    "binding.link_used": (409, "绑定链接已使用或已终止", "The link was used already, or its binding ended"),
    "binding.user_bound": (409, "该用户已绑定其他账户", "The user belongs to another account"),
    "binding.not_found": (404, "绑定不存在或无权查看", "No such binding, or not yours"),
    "export.not_found": (404, "导出不存在或已失效", "No such export, or no longer"),
    "erasure.not_found": (404, "没有待执行的注销申请", "No wish to be forgotten waits"),
    "correction.not_found": (404, "更正申请不存在或无权查看", "No such request, or not yours"),
    "correction.decided": (409, "更正申请已有决定", "The request is decided already"),
    "correction.too_many": (409, "待处理的更正申请过多", "Too many requests wait already"),
    "activity.grams_used": (
        409,
        "该行为的减排量已用于抵消",
        "The grams of this activity are used: an offset stands on them",
    ),
    "footprint.not_found": (404, "足迹不存在或无权查看", "No such footprint, or not yours"),
    "footprint.no_factor": (
        422,
        "有项目没有可用的因子",
        "For some items there is no factor, and none is invented",
    ),
    "footprint.already_offset": (409, "该足迹已抵消", "This footprint is offset already"),
    "offset.not_enough_grams": (409, "可用减排量不足", "Fewer grams are open than were to be used"),
    "offset.account_not_active": (409, "账户未启用", "The account is not active"),
    "event_footprint.unknown_factor": (
        422,
        "有项目没有可用的因子",
        "For some entries no factor is known, and none is invented",
    ),
    "event.not_found": (404, "活动不存在或无权查看", "No such event, or not yours"),
    "event.covered": (409, "该活动剩余的待中和量不足", "Less of the event is left to be covered"),
    "event.full": (409, "该活动的参与者份额已领完", "All shares of the event are taken"),
    "event_pool.not_found": (404, "碳汇池不存在或已关闭", "No such pool, or it is closed"),
    "event_pool.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "event_pool.stock_too_small": (409, "碳汇库存不足", "The pool has not so much left"),
    "event_order.not_found": (404, "订单不存在或无权查看", "No such order, or not yours"),
    "event_order.over": (409, "订单已支付或已失效", "The order is paid, or over"),
    "event_share.not_found": (404, "份额不存在或无权查看", "No such share, or not yours"),
    "event_share.ordered": (409, "该份额已支付或已下单", "The share is paid, or ordered already"),
    "event_footprint.out_of_range": (422, "排放量为零或超出范围", "It emits nothing, or more than any event"),
    "team.not_found": (404, "团队不存在或不在其中", "No such team, or not yours"),
    "team.full": (409, "团队人数已满", "The team is full"),
    "team.too_many": (409, "加入的团队已达上限", "You are in as many teams as one may be"),
    "team.already_member": (409, "已在该团队中", "You are in this team already"),
    "team.not_owner": (403, "只有团队创建者可以这样做", "Only the team's owner does this"),
    "market.listing_not_found": (404, "挂牌不存在", "No such listing"),
    "market.listing_over": (409, "挂牌已售罄、撤回或到期", "The listing is sold, withdrawn or over"),
    "market.quantity_refused": (
        422,
        "数量不符合规定：非整手、低于最小数量或超过余量",
        "The quantity does not fit: not whole lots, below the least, or more than there is",
    ),
    "market.own_offer": (409, "不能购买自己的单位", "These are your own units"),
    "market.money_insufficient": (409, "可用资金不足", "Not so much money is available"),
    "market.auction_not_found": (404, "竞价不存在或无权查看", "No such auction, or not yours"),
    "market.auction_not_open": (409, "该竞价当前不接受报价", "The auction takes no bids now"),
    "market.auction_wrong_state": (
        409,
        "该竞价的当前状态不允许此操作",
        "In its state the auction does not allow it",
    ),
    "market.same_client": (409, "提出与批准须由不同的客户端完成", "Who proposed it does not approve it"),
    "market.round_refused": (
        409,
        "不能作为该场竞价的下一轮",
        "This cannot be the next round of that auction",
    ),
    "market.bid_too_low": (
        422,
        "报价低于底价或应达到的价格，或不符合加价幅度",
        "The bid is below the floor or below what it has to reach, or off the steps",
    ),
    "market.bid_lowered": (
        409,
        "报价具有约束力，不得降低价格或数量",
        "A bid binds: neither its price nor its quantity is lowered",
    ),
    "market.trade_not_found": (404, "成交不存在或无权查看", "No such trade, or not yours"),
    "market.trade_over": (409, "该成交已结算或已违约", "The trade is settled or defaulted"),
    "market.funding_not_found": (404, "入金不存在或无权查看", "No such funding, or not yours"),
    "market.funding_decided": (409, "该入金已处理", "The funding is decided already"),
    "market.withdrawal_not_found": (404, "出金不存在或无权查看", "No such withdrawal, or not yours"),
    "market.withdrawal_decided": (409, "该出金已处理", "The withdrawal is decided already"),
    "market.reference_used": (409, "该银行流水号已使用", "This bank reference stands for other money"),
    "market.participant_not_found": (
        404,
        "市场参与方不存在或不属于本地区",
        "No such market participant in your region",
    ),
    "reference_price.not_found": (
        404,
        "该市场在所选日期没有价格",
        "There are no prices of this market in these days",
    ),
    "registry_account.not_found": (404, "登记账户不存在或无权查看", "No such registry account, or not yours"),
    "registry_account.frozen": (409, "登记账户已依指令冻结", "By order nothing leaves this registry account"),
    "registry_account.edited_meanwhile": (412, "账户限额已被他人修改", "The limits were changed meanwhile"),
    "registry_account.if_match_missing": (428, "请用 If-Match 指明所见版本", "Name the version by If-Match"),
    "registry_account.not_frozen": (409, "账户未被冻结", "The account is not frozen"),
    "unit_transfer.not_found": (404, "划转不存在或无权查看", "No such transfer, or not yours"),
    "unit_transfer.decided": (409, "该划转已结束或不在此步骤", "The transfer is past this step"),
    "unit_transfer.over_limit": (409, "超过账户的划转限额", "More than the account may transfer"),
    "unit_transfer.to_self": (409, "不能划转给自己的账户", "Units do not move from an account to itself"),
    "unit_transfer.approve_own": (403, "须由另一客户端批准", "Another client approves it"),
    "unit_pledge.not_found": (404, "质押不存在或无权查看", "No such pledge, or not yours"),
    "unit_pledge.bank_not_found": (404, "没有该银行", "No such bank"),
    "units.insufficient": (409, "可用减排量单位不足", "Not so many units are free"),
    "units.already_issued": (
        409,
        "该签发的单位已经发放",
        "Units of this issuance or stock are issued already",
    ),
    "units.subject_used": (
        409,
        "同一事项已用于另一笔锁定、注销或取消",
        "The same subject stands for another lock, retirement or cancellation",
    ),
    "units.lock_not_found": (404, "锁定不存在", "No such lock"),
    "reading.unprocessable": (422, "该读数无法存储", "This reading cannot be stored"),
    "metering.not_cumulative": (
        409,
        "仅累计表可登记换表",
        "Only a cumulative meter begins elsewhere when it is exchanged",
    ),
    "metering.exchange_exists": (
        409,
        "该时刻已登记另一次换表",
        "Another exchange of that time is known",
    ),
    "emissions.factor_unfit": (
        422,
        "排放因子填写不符合要求",
        "The factor could not be used as it is written",
    ),
    "emissions.factor_not_found": (404, "排放因子不存在或无权查看", "No such emission factor, or not yours"),
    "emissions.approve_own": (409, "须由另一位运营方核准", "Who proposed it does not put it in force"),
    "emissions.factor_decided": (409, "该因子已生效", "The factor is in force already"),
    "emissions.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "emissions.fuel_unfit": (
        422,
        "该计量点的能源品种没有此燃料,或煤与焦炭未注明炉型",
        "The meter measures no such fuel, or coal is said without its furnace",
    ),
    "emissions.certificate_used": (409, "该绿证已被使用", "This certificate counts already"),
    "emissions.certificate_not_found": (
        404,
        "绿证不存在、已撤回或无权查看",
        "No such certificate, or not yours, or withdrawn",
    ),
    "emissions.process_not_found": (
        404,
        "过程排放不存在或无权查看",
        "No such process emissions, or not yours",
    ),
    "emissions.process_replaced": (409, "该条目已被更正", "Another row has replaced this one"),
    "emissions.statement_not_found": (
        404,
        "当时没有该月的报表",
        "No statement of this month was kept by then",
    ),
    "enterprise.not_found": (404, "企业不存在或无权查看", "No such enterprise, or not yours"),
    "enterprise.site_not_found": (404, "厂区不存在或无权查看", "No such site, or not yours"),
    "enterprise.line_not_found": (
        404,
        "产线不存在或无权查看",
        "No such line, or not yours, or not of this site",
    ),
    "enterprise.meter_not_found": (404, "计量点不存在或无权查看", "No such meter, or not yours"),
    "enterprise.exists": (409, "该企业已建账", "The enterprise is onboarded already"),
    "enterprise.not_organisation": (
        409,
        "该统一社会信用代码属于非单位账户或已注销账户",
        "The credit code is that of an account that is no organisation's, or is closed",
    ),
    "enterprise.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "enterprise.member_not_found": (
        404,
        "成员、邀请或客户端不存在或无权查看",
        "No such member, invitation or client, or not yours",
    ),
    "enterprise.invitation_invalid": (
        404,
        "邀请码无效、已使用或已过期",
        "The code is none, was used or is too old",
    ),
    "enterprise.already_member": (409, "已是该企业成员", "Whoever it is belongs to the enterprise already"),
    "enterprise.last_owner": (409, "企业至少须有一名负责人", "An enterprise keeps an owner"),
    "enterprise.meter_number_taken": (409, "已有相同编号的计量点", "A meter has this number already"),
    "enterprise.meter_removed": (409, "该计量点已拆除", "The meter was taken away"),
    "enterprise.too_many": (409, "数量已达上限", "There are as many as there may be"),
    "enterprise.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the version that it was made from, by If-Match",
    ),
    "enterprise.edited_meanwhile": (
        412,
        "读取之后已被他人修改,请重新读取",
        "Somebody changed it since you read it; read it again",
    ),
    "alert.not_found": (404, "预警不存在或无权查看", "No such alert, or not yours"),
    "alert.closed": (409, "该预警已关闭", "The alert is closed"),
    "load_shedding.plan_not_found": (404, "方案不存在或无权查看", "No such plan, or not yours"),
    "load_shedding.decided": (409, "该方案已采纳或放弃", "The plan was accepted or dropped before"),
    "load_shedding.period": (
        422,
        "时段已过、超过一天,或开始时间在七天之后",
        "The period is over, longer than a day, or more than seven days ahead",
    ),
    "load_shedding.no_lines": (
        422,
        "没有可用于计算的产线数据",
        "No line has data that a plan could count with",
    ),
    "load_shedding.feeds": (
        422,
        "产线的供料关系成环,或相连的产线过多",
        "What feeds what runs in a circle, or too many lines hang together",
    ),
    "load_shedding.option": (422, "方案没有该选项", "The plan has no such option"),
    "ranks.unavailable": (503, "排名暂不可用,请稍后重试", "Ranks are away right now; come back later"),
    "certificate.not_found": (404, "没有这份证书", "There is no such certificate"),
    "programme.not_found": (
        404,
        "积分计划或活动不存在或无权查看",
        "No such programme or campaign, or not yours",
    ),
    "programme.out_of_region": (403, "该地区不在权限范围内", "This region is not yours"),
    "programme.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the state that it was made from, by If-Match",
    ),
    "programme.edited_meanwhile": (
        412,
        "读取之后已被他人修改,请重新读取",
        "Somebody changed it since you read it; read it again",
    ),
    "programme.immutable": (
        409,
        "已批准的文本不可修改,更正须另立新版本",
        "What is approved does not change; a correction is a new version",
    ),
    "programme.approve_own": (403, "作者不得批准自己的文本", "An author may not approve their own text"),
    "programme.lead_too_short": (
        422,
        "时间过近,须留出提前量以便各进程知晓",
        "Too soon: every process has to know before it counts",
    ),
    "programme.day_taken": (
        409,
        "该地区已有同日起施行的积分计划",
        "Another version of the region begins on that day",
    ),
    "programme.ended": (409, "活动已结束或未生效", "The campaign is over, or does not count"),
    "claim.not_found": (404, "认领不存在或无权查看", "No such claim, or not yours"),
    "claim.already_released": (409, "该认领已释放", "This claim is released already"),
    "claim.not_held": (409, "该认领未成立，无可释放", "This claim was lost: it holds nothing"),
    "claim.unprocessable": (422, "该认领无法入库", "This claim cannot be stored"),
    "tokens.element_invalid": (
        422,
        "盲化元素编码无效",
        "An element is no canonical encoding, or the identity of the group",
    ),
    "tokens.key_unknown": (422, "没有这把密钥，或已停用", "There is no such key, or it is retired"),
    "neighbour.not_found": (404, "没有这个相邻部署", "There is no such neighbour"),
    "neighbour.double_not_found": (
        404,
        "该行为未在两地同时认领或无权查看",
        "This act is not claimed in both places, or not yours to see",
    ),
    "neighbour.not_lost": (
        409,
        "该行为由本地保留,或已冲正、已释放",
        "This side keeps the act, or it is reversed or released already",
    ),
    "neighbour.cursor_invalid": (422, "不是该导出的游标", "This is no cursor of the export"),
    "bank.access_refused": (
        403,
        "没有与该用途和范围相符的有效授权",
        "No grant of this customer to you is in force for this purpose and scope",
    ),
    "bank.not_scored": (
        409,
        "该客户没有按此评分卡的评分",
        "This card is not in force for this customer",
    ),
    "bank.no_channel": (
        403,
        "尚未配置合法的评分输出通道",
        "No lawful channel for exports of scores to you is in force",
    ),
    "bank.not_monitored": (404, "未对该客户进行贷后监测", "You do not monitor this customer"),
    "bank.unknown": (404, "没有这家银行", "There is no such bank"),
    "bank_grant.not_found": (404, "授权不存在或无权查看", "No such grant, or not yours"),
    "score_review.answer_not_found": (
        404,
        "访问记录中没有这次向银行的提供",
        "Your access log has no such answer to a bank",
    ),
    "score_review.exists": (409, "该次提供已申请过复核", "A review of this answer was asked for already"),
    "score_review.too_many": (409, "待处理的复核申请过多", "Too many of your reviews wait already"),
    "score_review.not_found": (404, "复核申请不存在或无权查看", "No such review, or not yours"),
    "score_review.over": (409, "该复核已有答复", "The review was answered already"),
    "score_channel.not_found": (404, "通道不存在或无权查看", "No such channel, or not yours"),
    "score_channel.exists": (409, "该银行已有生效的通道", "The bank has a channel in force; end it first"),
    "score_channel.approved": (409, "该通道已批准或已终止", "The channel is approved or over already"),
    "score_channel.approve_own": (
        403,
        "须由另一操作员批准:不得批准自己提出的通道",
        "Another operator has to approve it: nobody approves what they proposed",
    ),
    "bank_grant.ended": (409, "该授权已终止", "The grant is over already"),
    "bank_grant.period": (422, "授权须在将来五年内到期", "A grant ends in the future, within five years"),
    "quota.exhausted": (429, "当日配额已用完", "The quota of the day is used up"),
    "quota.organisation_not_found": (404, "没有该平台或无权查看", "No such platform, or not in your region"),
    "quota.grant_invalid": (422, "额度的期间不成立或已过", "The grant ends before it begins, or in the past"),
    "product.not_found": (404, "产品不存在或无权查看", "No such product, or not yours"),
    "product.code_taken": (
        409,
        "产品代码已使用，或与此前版本不一致",
        "The code is another product's, or not the one of the versions before",
    ),
    "product.begins_in_past": (
        422,
        "起始日不得早于今天:已有报价以当时条件作出",
        "It begins today or later: quotes stand on the days that are over",
    ),
    "product.if_match_missing": (
        428,
        "修改须以 If-Match 写明所依据的版本号",
        "A write names the version that it was made from, by If-Match",
    ),
    "product.edited_meanwhile": (
        412,
        "读取之后已有新版本,请重新读取",
        "There is a newer version; read it again",
    ),
    "product.not_in_force": (409, "产品目前未生效或已结束", "No version of the product counts today"),
    "report.not_found": (404, "报告不存在或无权查看", "No such report, or not yours"),
    "quote.not_found": (404, "报价不存在或无权查看", "No such quote, or not yours"),
    "loan.quote_not_eligible": (409, "该报价不符合条件,不能据此放款", "The quote granted nothing"),
    "loan.quote_not_valid": (
        422,
        "放款日不在报价有效期内,或尚未到来",
        "The quote did not count on the day of the loan, or the day is yet to come",
    ),
    "loan.not_found": (404, "贷款不存在或无权查看", "No such loan, or not yours"),
    "loan.number_taken": (
        409,
        "该贷款编号或报价已报送另一笔贷款",
        "Another loan was reported under this number, or on this quote",
    ),
    "loan.if_match_missing": (
        428,
        "更正须以 If-Match 写明所依据的版本号",
        "A correction names the version that it corrects, by If-Match",
    ),
    "loan.corrected_meanwhile": (
        412,
        "读取之后已有更正,请重新读取",
        "It was corrected since you read it; read it again",
    ),
    "proof.not_found": (
        404,
        "该分录不在任何已公布根的签发中，或无权查看",
        "The entry is in no issuance whose root is published, or not yours",
    ),
    "proof.unavailable": (
        503,
        "暂时无法读取该签发的证明树",
        "The tree of this issuance cannot be read right now",
    ),
    "exchange.not_found": (404, "没有接入该交易所", "No exchange of that code is connected"),
    "exchange_instruction.not_found": (404, "指令不存在或无权查看", "No such instruction, or not yours"),
    "exchange_instruction.wrong_state": (
        409,
        "指令当前状态不允许这一步",
        "The step does not follow the state of the instruction",
    ),
    "exchange_instruction.approve_own": (
        403,
        "须由另一操作员复核:不得复核自己所报",
        "Another operator has to approve it: nobody approves what they staged",
    ),
    "exchange_instruction.exists": (
        409,
        "相同指令已提交、已复核或已完成",
        "The same is staged, approved or done already",
    ),
    "exchange_instruction.no_account": (
        409,
        "该账户所有者在该交易所尚未开户",
        "The owner of the account has none at this exchange",
    ),
    "exchange_instruction.no_delivery": (
        409,
        "没有已完成的交付",
        "There is no delivery to this exchange that is done",
    ),
    "obligation.not_found": (404, "履约义务不存在或无权查看", "No such obligation, or not yours"),
    "obligation.exists": (
        409,
        "该企业在该市场该年度的履约义务已登记",
        "The firm's obligation in this market and year is on record",
    ),
    "obligation.if_match_missing": (
        428,
        "更正须以 If-Match 写明所依据的版本号",
        "A correction names the version that it corrects, by If-Match",
    ),
    "obligation.corrected_meanwhile": (
        412,
        "读取之后已有更正,请重新读取",
        "It was corrected since you read it; read it again",
    ),
    "obligation.below_filed": (
        409,
        "已申报的抵销量将超出更正后的限额",
        "What is filed already would exceed the limits of the corrected figures",
    ),
    "obligation.firm_unknown": (422, "没有这个企业", "No participant of that id"),
    "obligation.market_unknown": (404, "没有这个碳市场", "No such carbon market"),
    "offset_filing.origin_unknown": (422, "没有这种单位", "There are no such units"),
    "offset_filing.refused": (409, "不符合抵销规则", "A clause of the rule of offsetting is broken"),
    "offset_filing.undetermined": (
        409,
        "抵销规则有未知之处,不能申报",
        "A clause of the rule is not known, and nothing is filed by it",
    ),
    "offset_filing.not_found": (404, "抵销申报不存在或无权查看", "No such filing, or not yours"),
    "offset_filing.decided": (409, "该申报已有结论", "The filing is decided or withdrawn"),
    "offset_filing.accept_own": (
        403,
        "须由另一操作员决定:不得受理自己所报",
        "Another operator has to decide on what an operator filed",
    ),
    "storage.unavailable": (503, "存储暂不可用,请稍后重试", "Storage is away right now; come back later"),
    "internal": (500, "服务内部错误", "Something went wrong on our side"),
}


class ProblemError(BaseModel):
    """One place that is wrong."""

    pointer: str = Field(description="JSON pointer (RFC 6901)")
    reason: str


class Problem(BaseModel):
    """An error after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, dotted")
    instance: str
    errors: list[ProblemError] = []


class RequestError(DomainError):
    """A request that HTTP itself or the caller's rights refuse; `code` is one of the table's."""

    def __init__(self, code: str, *faults: Fault, retry_after_s: int | None = None) -> None:
        self.code = code
        super().__init__(*faults, retry_after_s=retry_after_s)


def wants_english(headers: Headers) -> bool:
    """Whether Accept-Language prefers English to Chinese; Chinese where it says neither."""
    best: tuple[float, bool] = (0.0, False)
    for item in headers.get("accept-language", "").split(","):
        tag, _, quality = item.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language not in ("en", "zh"):
            continue
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > best[0]:
            best = (weight, language == "en")
    return best[1]


def problem_response(error: DomainError, path: str, headers: Headers, /, **extra: Any) -> Response:
    """The answer to an error; its text never holds what the caller sent."""
    status, chinese, english = CODES.get(error.code, CODES["internal"])
    in_english = wants_english(headers)
    text = english if in_english else chinese
    body = {
        "type": TYPE_PREFIX + error.code,
        "title": text,
        "status": status,
        "detail": text,
        "code": error.code,
        "instance": path,
        "errors": [
            {
                "pointer": fault.pointer,
                "reason": fault.reason if in_english else fault.reason_zh or fault.reason,
            }
            for fault in error.faults
        ],
        **extra,
    }
    answer_headers = {"Content-Language": "en" if text == english else "zh"}
    if error.retry_after_s is not None:
        answer_headers["Retry-After"] = str(error.retry_after_s)
    if status == UNAUTHORIZED:
        answer_headers["WWW-Authenticate"] = "Basic" if error.code == "auth.client" else "Bearer"
    return Response(orjson.dumps(body), status, answer_headers, MEDIA_TYPE)
